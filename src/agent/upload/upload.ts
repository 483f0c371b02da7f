/**
 * Receives a release: the manifest, then the contents that the server lacks, then the commit. Everything is
 * built in `.gapless/incoming/<id>` and proven there; one rename makes it a release.
 */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Bitmap } from '../../common/bitmap.ts'
import { Failure } from '../../common/failure.ts'
import { formatEntry, type ManifestFile } from '../../protocol/manifest.ts'
import type { Params, Proven, Result } from '../../protocol/messages.ts'
import { largeOnesLast } from '../../protocol/sending-order.ts'
import { exists, syncFile, syncFolder, writeFileAtomic } from '../system/files.ts'
import { type Flushing, startFlushing } from '../system/flush.ts'
import { type Layout, makeFolders, releaseDirectory, releaseFiles } from '../store/layout.ts'
import { assertLinksStay } from '../store/links.ts'
import { readManifest } from '../store/manifest-file.ts'
import { baseChanged, fillIn } from './outline.ts'
import { writeOwner } from '../system/owner.ts'
import { place, type Placement } from './place.ts'
import { decompress, folderMaker, type MakeFolder, receive } from './receive.ts'
import { isRelease, liveRelease, readInfo, takenIds } from '../store/releases.ts'
import { assertRoom } from '../system/room.ts'
import { linkShared } from '../store/shared.ts'
import {
  contentKey,
  locate,
  putAside,
  removeInterrupted,
  sourcesIn,
  takeOver,
  uploadOwner,
  type Wanted,
} from '../store/sources.ts'
import { look, toPlace } from './survey.ts'

interface Upload {
  readonly id: string
  readonly directory: string
  readonly contentHash: string
  readonly distDir: string
  readonly placement: Placement
  readonly reusedBytes: number
  readonly lacksAll: boolean
  readonly folder: MakeFolder
  readonly flushing: Flushing
  /** What has not come yet: how many files, and which, in the order in which they are sent. */
  missing: number
  awaited: AsyncGenerator<ManifestFile, void, undefined>
  /** The files that were damaged have been asked for. */
  askedAgain: boolean
  /** The session ended while contents came, or after: they are of use to the next one. */
  received: boolean
}

const PROGRESS_MS = 1000
/** How contents end when the connection is cut: between two frames, or inside of one. */
const CUT_OFF = new Set(['upload-incomplete', 'connection-lost'])

export interface Uploads {
  /** Chooses the id of the next upload, or tells which it would get. */
  reserve(id: string | null): Promise<string>
  stage(params: Params<'stage'>, body: AsyncIterable<Buffer>): Promise<Result<'stage'>>
  /** @param id null: of what was staged last, where all is missing @param count how many files come */
  fill(id: string | null, count: number, body: AsyncIterable<Buffer>): Promise<Result<'fill'>>
  /** @param progress told every now and then, while what the release shares with others is still being proven */
  commit(params: Params<'commit'>, progress: (proven: Proven) => void): Promise<Result<'commit'>>
  /** Ends what was begun and not committed. Files that came and were proven are kept for the next upload. */
  abandon(): Promise<void>
}

export function createUploads(layout: Layout): Uploads {
  let upload: Upload | undefined
  /** Before there is an upload, or when it failed for good. */
  let doomed: string | undefined
  let chosen: string | null = null

  const begun = (id: string | null): Upload => {
    if (upload === undefined || (id !== null && upload.id !== id)) {
      throw new Failure('no-such-upload', `no upload${id === null ? '' : ` ${id}`} was begun in this session`)
    }
    if (id === null && !upload.lacksAll) {
      throw new Failure('not-missing', `the server has some of what ${upload.id} consists of`)
    }
    return upload
  }

  async function abandon(): Promise<void> {
    const ended = upload
    upload = undefined
    await ended?.placement.stop()
    await ended?.awaited.return()
    await ended?.flushing.done().catch(() => undefined)
    if (ended?.received === true) await putAside(ended.directory)
    else if (doomed !== undefined) await rm(doomed, { recursive: true, force: true })
    doomed = undefined
  }

  return {
    async reserve(id) {
      chosen = id
      return id ?? nextId(layout)
    },

    async stage({ base, contentHash, distDir, resumes }, body) {
      await abandon()
      makeFolders(layout)
      await liveRelease(layout)
      if (resumes !== null) {
        await takeOver(layout, resumes)
        if (await wasCommitted(layout, resumes, contentHash)) {
          return { id: resumes, committed: true, missing: '', reusedFiles: 0, reusedBytes: 0 }
        }
      }
      const wish = resumes ?? chosen
      const { id, directory } = wish === null ? await reserve(layout) : await takeId(layout, wish)
      doomed = directory
      const manifest = releaseFiles(directory).manifest
      await mkdir(dirname(manifest), { mode: 0o700 })
      await writeOwner(uploadOwner(directory))

      const wanted: Wanted = new Map()
      const hash = await writeManifest(layout, base, body, manifest, wanted)
      if (hash !== contentHash) {
        throw base === null
          ? new Failure('upload-corrupt', 'the manifest is not what was sent')
          : baseChanged()
      }
      await locate(layout, wanted, directory)
      const sourceOf = sourcesIn(layout, base, wanted)
      const survey = await look(toPlace(readManifest(manifest), sourceOf), distDir)
      await assertRoom(directory, survey.need)
      const { missing, reusedFiles, reusedBytes } = survey
      const flushing = startFlushing(directory)
      upload = {
        id,
        directory,
        contentHash,
        distDir,
        placement: place(directory, distDir, toPlace(readManifest(manifest), sourceOf), flushing),
        reusedBytes,
        lacksAll: reusedFiles === 0,
        folder: folderMaker(),
        flushing,
        missing: missing.count,
        awaited: filesIn(manifest, missing),
        askedAgain: false,
        received: false,
      }
      return { id, committed: false, missing: missing.format(), reusedFiles, reusedBytes }
    },

    async fill(id, count, body) {
      const current = begun(id)
      try {
        const files = await take(current.awaited, count)
        await receive(current.directory, files, timeOf(current.id), current.folder, body)
        current.missing -= count
        await current.flushing.add(files)
        current.received = true
        return { bytes: files.reduce((sum, { size }) => sum + size, 0) }
      } catch (error) {
        // What came before the connection was cut is proven, or found out by its hash; a full disk needs the room.
        current.received = CUT_OFF.has(Failure.from(error).code)
        throw error
      }
    },

    async commit(params, progress) {
      const current = begun(params.id)
      if (current.missing > 0) {
        throw new Failure('upload-incomplete', `the contents of ${params.id} never came`)
      }
      const damaged = await proven(current, progress)
      if (damaged.count > 0 && !current.askedAgain) {
        current.missing = damaged.count
        current.awaited = filesIn(releaseFiles(current.directory).manifest, damaged)
        current.askedAgain = true
        return { path: null, missing: damaged.format(), leftOut: [] }
      }
      // If it fails from here on, that is not for a lack of contents.
      current.received = false
      await current.flushing.done()
      const made = await makeRelease(layout, current, params)
      upload = undefined
      doomed = undefined
      await removeInterrupted(layout)
      return { ...made, missing: '' }
    },

    abandon,
  }
}

async function proven(
  { placement, reusedBytes }: Upload,
  progress: (proven: Proven) => void,
): Promise<Bitmap> {
  let told = -1
  const tell = () => {
    const provenBytes = placement.provenBytes()
    // On a disk that hangs nothing more is proven, and whoever waits must notice.
    if (provenBytes === told) return
    told = provenBytes
    progress({ provenBytes, totalBytes: reusedBytes })
  }
  const timer = setInterval(tell, PROGRESS_MS)
  return placement.damaged.finally(() => clearInterval(timer))
}

async function makeRelease(
  layout: Layout,
  { id, directory, contentHash, distDir }: Upload,
  { run, entry, staticPath, nextVersion, builtMsAgo, runtime }: Params<'commit'>,
): Promise<Pick<Result<'commit'>, 'path' | 'leftOut'>> {
  const files = releaseFiles(directory)
  const now = Date.now()
  const [created, built] = [now, now - builtMsAgo].map((time) => new Date(time).toISOString())
  const info = { id, ...run, created, built, entry, staticPath, nextVersion, contentHash, distDir }
  await writeFileAtomic(files.info, `${JSON.stringify(info, null, 2)}\n`, 0o644)
  await writeFileAtomic(files.runtime, JSON.stringify(runtime), 0o600)
  if (!(await exists(join(directory, entry)))) {
    throw new Failure('upload-incomplete', `the release has no ${entry}, which PM2 is to start`)
  }
  const served = [join(dirname(entry), 'public'), ...(staticPath === null ? [] : [staticPath])]
  // Before what the links lead to can become shared content, and again with the shared paths in their places.
  await assertLinksStay(directory, files.manifest, served)
  const leftOut = await linkShared(layout, directory, dirname(entry), runtime)
  await assertLinksStay(directory, files.manifest, served)
  await syncFolder(directory)

  const path = releaseDirectory(layout, id)
  await rename(directory, path)
  await syncRename(layout)
  return { path, leftOut }
}

async function syncRename(layout: Layout): Promise<void> {
  await syncFolder(layout.releases)
  await syncFolder(layout.incoming)
}

/** Whether the commit's answer alone was lost. Only what is complete ever stands in `releases`. */
async function wasCommitted(layout: Layout, id: string, contentHash: string): Promise<boolean> {
  if (!(await isRelease(layout, id))) return false
  if ((await readInfo(layout, id)).contentHash !== contentHash) return false
  // Its session may have been ended in between.
  await syncRename(layout)
  await removeInterrupted(layout)
  return true
}

/** Writes the whole manifest, and notes each content that was named. @returns the manifest's SHA-256 in hex */
async function writeManifest(
  layout: Layout,
  base: string | null,
  body: AsyncIterable<Buffer>,
  file: string,
  wanted: Wanted,
): Promise<string> {
  const hash = createHash('sha256')
  async function* lines() {
    let text = ''
    for await (const { entry, named } of fillIn(layout, base, decompress(body))) {
      if (named && entry.kind === 'file') wanted.set(contentKey(entry), null)
      text += formatEntry(entry)
      if (text.length < 64 * 1024) continue
      hash.update(text)
      yield text
      text = ''
    }
    hash.update(text)
    yield text
  }
  await pipeline(Readable.from(lines()), createWriteStream(file, { mode: 0o600 }))
  await syncFile(file)
  return hash.digest('hex')
}

async function* filesIn(manifest: string, wanted: Bitmap): AsyncGenerator<ManifestFile, void, undefined> {
  const order = largeOnesLast<ManifestFile>()
  for await (const { entry, index } of toPlace(readManifest(manifest), () => null)) {
    if (entry.kind === 'file' && wanted.has(index) && order.isNext(entry)) yield entry
  }
  yield* order.rest()
}

/** @throws Failure `upload-corrupt` when there are fewer */
async function take(
  files: AsyncGenerator<ManifestFile, void, undefined>,
  count: number,
): Promise<readonly ManifestFile[]> {
  const taken: ManifestFile[] = []
  while (taken.length < count) {
    const { done, value } = await files.next()
    if (done === true) throw new Failure('upload-corrupt', 'more came than the manifest names')
    taken.push(value)
  }
  return taken
}

/** The UTC second as an id, later than every release there is, whatever the clock says. */
export async function nextId(layout: Layout): Promise<string> {
  const pending = (await readdir(layout.incoming).catch(() => [])).flatMap(
    (name) => /^\d{14}/.exec(name) ?? [],
  )
  const newest = [...(await takenIds(layout)), ...pending].sort().at(-1) ?? ''
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
async function takeId(layout: Layout, id: string): Promise<Reserved> {
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

/** When the upload of an id began, the same on all hosts. */
function timeOf(id: string): Date {
  return new Date(id.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z'))
}

function formatId(date: Date): string {
  return date.toISOString().replace(/\D/g, '').slice(0, 14)
}

function secondAfter(id: string): string {
  return formatId(new Date(timeOf(id).getTime() + 1000))
}
