/**
 * Receives a release: the manifest, then the contents that the server lacks, then the commit. Everything is
 * built in `.gapless/incoming/<id>` and proven there; one rename makes it a release.
 */
import { createHash } from 'node:crypto'
import { constants, createWriteStream } from 'node:fs'
import { copyFile, link, lstat, mkdir, readdir, rename, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress } from 'node:zlib'
import { Failure } from '../protocol/failure.ts'
import { isWritableAtRunTime, type ManifestFile } from '../protocol/manifest.ts'
import type { Params, Result } from '../protocol/messages.ts'
import { exists, hashFile, syncFolder, withFile, writeFileAtomic } from './files.ts'
import { type Layout, makeFolders, releaseDirectory, releaseFiles } from './layout.ts'
import { readManifest } from './manifest-file.ts'
import { liveRelease, releaseIds } from './releases.ts'
import { linkShared } from './shared.ts'
import { writeOwner } from './owner.ts'

interface Upload {
  readonly id: string
  readonly directory: string
  readonly missing: readonly ManifestFile[]
  readonly contentHash: string
  filled: boolean
}

export interface Uploads {
  /** Chooses the id of the next upload, or tells which it would get. */
  reserve(id: string | null): Promise<string>
  stage(body: AsyncIterable<Buffer>): Promise<Result<'stage'>>
  fill(id: string, body: AsyncIterable<Buffer>): Promise<Result<'fill'>>
  commit(params: Params<'commit'>): Promise<Result<'commit'>>
  /** Removes what was begun and not committed. */
  abandon(): Promise<void>
}

export function createUploads(layout: Layout): Uploads {
  let upload: Upload | undefined
  let chosen: string | null = null

  const begun = (id: string): Upload => {
    if (upload?.id !== id) throw new Failure('no-such-upload', `no upload ${id} was begun in this session`)
    return upload
  }

  return {
    async reserve(id) {
      chosen = id
      return id ?? nextId(layout)
    },

    async stage(body) {
      makeFolders(layout)
      await liveRelease(layout)
      const { id, directory } = chosen === null ? await reserve(layout) : await take(layout, chosen)
      upload = { id, directory, missing: [], contentHash: '', filled: false }

      const manifest = releaseFiles(directory).manifest
      await mkdir(dirname(manifest), { mode: 0o700 })
      await writeOwner(uploadOwner(directory))
      await pipeline(
        Readable.from(body),
        createBrotliDecompress(),
        createWriteStream(manifest, { mode: 0o600 }),
      )
      const contentHash = await hashFile(manifest)

      const known = await contentsOnServer(layout)
      const missing: ManifestFile[] = []
      const bitmap: number[] = []
      let [index, reusedFiles, reusedBytes] = [0, 0, 0]
      for await (const entry of readManifest(manifest)) {
        const path = join(directory, entry.path)
        if (entry.kind === 'directory') {
          await mkdir(path, { recursive: true, mode: 0o755 })
          continue
        }
        await mkdir(dirname(path), { recursive: true, mode: 0o755 })
        if (entry.kind === 'link') {
          await symlink(entry.target, path)
          continue
        }
        if (await reuse(known.get(keyOf(entry)), entry, path)) {
          reusedFiles += 1
          reusedBytes += entry.size
        } else {
          missing.push(entry)
          bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7))
        }
        index += 1
      }
      upload = { id, directory, missing, contentHash, filled: false }
      const bytes = Uint8Array.from({ length: (index + 7) >> 3 }, (_, at) => bitmap[at] ?? 0)
      return { id, missing: Buffer.from(bytes).toString('base64'), reusedFiles, reusedBytes }
    },

    async fill(id, body) {
      const current = begun(id)
      const bytes = await unpack(current.directory, current.missing, body)
      current.filled = true
      return { files: current.missing.length, bytes }
    },

    async commit(params) {
      const { id, directory, contentHash, filled, missing } = begun(params.id)
      if (!filled && missing.length > 0)
        throw new Failure('upload-incomplete', `the contents of ${id} never came`)
      const files = releaseFiles(directory)
      const { run, entry, staticPath, nextVersion } = params
      const created = new Date().toISOString()
      const info = { id, ...run, created, entry, staticPath, nextVersion, contentHash }
      await writeFileAtomic(files.info, `${JSON.stringify(info, null, 2)}\n`, 0o644)
      await writeFileAtomic(files.runtime, JSON.stringify(params.runtime), 0o600)
      if (!(await exists(join(directory, entry)))) {
        throw new Failure('upload-incomplete', `the release has no ${entry}, which PM2 is to start`)
      }
      const leftOut = await linkShared(layout, directory, dirname(entry), params.runtime)
      await syncFolder(directory)

      const path = releaseDirectory(layout, id)
      await rename(directory, path)
      await syncFolder(layout.releases)
      await syncFolder(layout.incoming)
      upload = undefined
      return { path, leftOut }
    },

    async abandon() {
      if (upload) await rm(upload.directory, { recursive: true, force: true })
      upload = undefined
    },
  }
}

/** Says which session an upload belongs to, and the release after it: nobody removes it while that one lives. */
export function uploadOwner(directory: string): string {
  return join(releaseFiles(directory).own, 'owner.json')
}

/** The UTC second as an id, later than every release there is, whatever the clock says. */
async function nextId(layout: Layout): Promise<string> {
  const pending = (await readdir(layout.incoming).catch(() => [])).flatMap(
    (name) => /^\d{14}/.exec(name) ?? [],
  )
  const newest = [...(await releaseIds(layout)), ...pending].sort().at(-1) ?? ''
  const now = formatId(new Date())
  return now > newest ? now : secondAfter(newest)
}

async function reserve(layout: Layout): Promise<Reserved> {
  for (let id = await nextId(layout); ; id = secondAfter(id)) {
    const reserved = await tryToTake(layout, id)
    if (reserved !== null) return reserved
  }
}

/** An id that was chosen for all hosts. @throws Failure `release-exists` */
async function take(layout: Layout, id: string): Promise<Reserved> {
  const reserved = (await exists(releaseDirectory(layout, id))) ? null : await tryToTake(layout, id)
  if (reserved !== null) return reserved
  throw new Failure('release-exists', `another deploy has taken the id ${id} on this host`, {
    remedy: 'Two deploys began in the same second: run this one again.',
  })
}

interface Reserved {
  readonly id: string
  readonly directory: string
}

async function tryToTake(layout: Layout, id: string): Promise<Reserved | null> {
  const directory = join(layout.incoming, id)
  try {
    await mkdir(directory, { mode: 0o755 })
    return { id, directory }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null
    throw error
  }
}

function formatId(date: Date): string {
  return date.toISOString().replace(/\D/g, '').slice(0, 14)
}

function secondAfter(id: string): string {
  const iso = id.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z')
  return formatId(new Date(Date.parse(iso) + 1000))
}

function keyOf(file: ManifestFile): string {
  return `${file.hash} ${file.mode}`
}

/** Where the releases on this server have which content. The newest release wins. */
async function contentsOnServer(layout: Layout): Promise<ReadonlyMap<string, string>> {
  const known = new Map<string, string>()
  for (const id of await releaseIds(layout)) {
    const directory = releaseDirectory(layout, id)
    try {
      for await (const entry of readManifest(releaseFiles(directory).manifest)) {
        if (entry.kind === 'file') known.set(keyOf(entry), join(directory, entry.path))
      }
    } catch {
      // A damaged release is nothing to build on; what it lacks is sent again.
    }
  }
  return known
}

/**
 * Takes a file from another release, if it still is what its manifest says. Hard links cost nothing, but what
 * a running app may write is copied: Next 14 overwrites ISR pages in place.
 */
async function reuse(source: string | undefined, entry: ManifestFile, path: string): Promise<boolean> {
  if (source === undefined) return false
  const stat = await lstat(source).catch(() => null)
  if (!stat?.isFile() || stat.size !== entry.size || (await hashFile(source)) !== entry.hash) return false
  if (isWritableAtRunTime(entry.path) || (stat.mode & 0o777) !== entry.mode) {
    await copyFile(source, path, constants.COPYFILE_FICLONE)
    await withFile(path, constants.O_RDONLY, 0, async (handle) => {
      await handle.chmod(entry.mode)
      await handle.sync()
    })
    return (await hashFile(path)) === entry.hash
  }
  try {
    await link(source, path)
    return true
  } catch {
    return false
  }
}

/** Writes the files of one decompressed stream, in order, and proves each by its hash. */
async function unpack(
  directory: string,
  files: readonly ManifestFile[],
  body: AsyncIterable<Buffer>,
): Promise<number> {
  const contents = createBrotliDecompress()
  const source = pipeline(Readable.from(body), contents)
  // It may fail while a file is being written, long before it is awaited: that must not end the process.
  source.catch(() => undefined)
  const chunks = contents[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let chunk: Buffer = Buffer.alloc(0)

  const next = async (limit: number): Promise<Buffer | null> => {
    while (chunk.length === 0) {
      const { done, value } = await chunks.next()
      if (done === true) return null
      chunk = value
    }
    const piece = chunk.subarray(0, limit)
    chunk = chunk.subarray(piece.length)
    return piece
  }

  try {
    for (const file of files) await writeProven(join(directory, file.path), file, next)
    if ((await next(1)) !== null) throw new Failure('upload-corrupt', 'more came than the manifest names')
    await source
  } catch (error) {
    contents.destroy()
    await source.catch(() => undefined)
    throw error
  }
  await inParallel(files, (file) =>
    withFile(join(directory, file.path), constants.O_RDONLY, 0, (handle) => handle.sync()),
  )
  return files.reduce((sum, file) => sum + file.size, 0)
}

async function writeProven(
  path: string,
  file: ManifestFile,
  next: (limit: number) => Promise<Buffer | null>,
): Promise<void> {
  const hash = createHash('sha256')
  await withFile(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
    file.mode,
    async (handle) => {
      for (let left = file.size; left > 0;) {
        const piece = await next(left)
        if (piece === null) throw new Failure('upload-incomplete', `the contents ended inside ${file.path}`)
        left -= piece.length
        hash.update(piece)
        await handle.writeFile(piece)
      }
      await handle.chmod(file.mode)
    },
  )
  if (hash.digest('hex') !== file.hash) {
    throw new Failure('upload-corrupt', `${file.path} arrived with other bytes than were sent`)
  }
}

/** Flushing files one by one waits for the disk each time; this many at once share the wait. */
const PARALLEL = 16

async function inParallel<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const rest = items[Symbol.iterator]()
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (const item of rest) await act(item)
    }),
  )
}
