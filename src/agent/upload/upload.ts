/**
 * Receives a release: the manifest, then the contents that the server lacks, then the commit. Everything is
 * built and verified in `.gapless/incoming/<id>`; one rename makes it a release.
 */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Bitmap } from '../../common/bitmap.ts'
import { failure } from '../../common/errors/upload.ts'
import { Failure } from '../../common/failure.ts'
import { formatEntry, type ManifestFile } from '../../protocol/manifest.ts'
import type { Compression, Params, Proven, Result } from '../../protocol/messages.ts'
import { releaseTime } from '../../protocol/release-id.ts'
import { largeOnesLast } from '../../protocol/sending-order.ts'
import { exists, syncFile, syncFolder, writeFileAtomic } from '../system/files.ts'
import { type Flushing, startFlushing } from '../system/flush.ts'
import { type Layout, makeFolders, releaseDirectory, releaseFiles } from '../store/layout.ts'
import { assertLinksStay } from '../store/links.ts'
import { readManifest } from '../store/manifest-file.ts'
import { assertWhole, fillIn } from './outline.ts'
import { writeOwner } from '../system/owner.ts'
import { type Reuse, startReuse } from './reuse.ts'
import { decompress, folderMaker, type MakeFolder, receive } from './receive.ts'
import { isRelease, liveRelease, readInfo } from '../store/releases.ts'
import { assertDiskSpace } from '../system/disk-space.ts'
import { layoutOfBase, neighboursOf, socketOf } from '../store/previews.ts'
import { linkShared } from '../store/shared.ts'
import {
  contentKey,
  findSources,
  setAside,
  removeInterrupted,
  sourcesIn,
  takeOverUpload,
  uploadOwner,
  type Wanted,
} from '../store/sources.ts'
import { findMissing, withSources } from './missing.ts'

interface Upload {
  readonly id: string
  readonly directory: string
  readonly contentHash: string
  readonly distDir: string
  readonly reuse: Reuse
  readonly reusedBytes: number
  readonly folder: MakeFolder
  readonly flushing: Flushing
  /** The number of files that have not arrived, and those files in the order in which they are sent. */
  missing: number
  awaited: AsyncGenerator<ManifestFile, void, undefined>
  /** The damaged files have been requested. */
  askedAgain: boolean
  /** The session ended during or after the contents: the next upload can use them. */
  received: boolean
}

const PROGRESS_MS = 1000
/** How contents end when the connection is lost: between two frames, or inside one. */
const CUT_OFF = new Set(['upload-incomplete', 'connection-lost'])

export interface Uploads {
  stage(params: Params<'stage'>, body: AsyncIterable<Buffer>): Promise<Result<'stage'>>
  /** @param count how many files come */
  fill(
    id: string,
    count: number,
    body: AsyncIterable<Buffer>,
    compression?: Compression,
  ): Promise<Result<'fill'>>
  /** @param progress told every now and then, while what the release shares with others is still being proven */
  commit(params: Params<'commit'>, progress: (proven: Proven) => void): Promise<Result<'commit'>>
  /** Ends an upload that was not committed. Verified files that arrived are kept for the next upload. */
  abandon(): Promise<void>
}

/** @param isPreview takes files of the app and its other previews, and listens on a socket */
export function createUploads(layout: Layout, isPreview = false): Uploads {
  let upload: Upload | undefined
  /** The folder to remove while there is no upload yet, or when the upload failed for good. */
  let doomed: string | undefined

  const begun = (id: string): Upload => {
    if (upload?.id === id) return upload
    throw failure('no-such-upload')
  }

  async function abandon(): Promise<void> {
    const ended = upload
    upload = undefined
    await ended?.reuse.stop()
    await ended?.awaited.return()
    await ended?.flushing.done().catch(() => undefined)
    if (ended?.received === true) await setAside(ended.directory)
    else if (doomed !== undefined) await rm(doomed, { recursive: true, force: true })
    doomed = undefined
  }

  return {
    async stage({ id, base, contentHash, distDir, resumes }, body) {
      await abandon()
      makeFolders(layout)
      await liveRelease(layout)
      if (resumes) {
        await takeOverUpload(layout, id)
        if (await wasCommitted(layout, id, contentHash)) {
          return { committed: true, missing: '', reusedBytes: 0 }
        }
      }
      const directory = await takeId(layout, id)
      doomed = directory
      const manifest = releaseFiles(directory).manifest
      await mkdir(dirname(manifest), { mode: 0o700 })
      await writeOwner(uploadOwner(directory))

      const wanted: Wanted = new Map()
      const from = await layoutOfBase(layout, base, isPreview)
      assertWhole(await writeManifest(from, base, body, manifest, wanted), contentHash, base)
      await findSources(layout, wanted, directory, isPreview ? await neighboursOf(layout) : [])
      const sourceOf = sourcesIn(from, base, wanted)
      const found = await findMissing(withSources(readManifest(manifest), sourceOf), distDir)
      const { missing, need, reusedBytes } = found
      await assertDiskSpace(directory, need)
      const flushing = startFlushing(directory)
      upload = {
        id,
        directory,
        contentHash,
        distDir,
        reuse: startReuse(directory, distDir, withSources(readManifest(manifest), sourceOf), flushing),
        reusedBytes,
        folder: folderMaker(),
        flushing,
        missing: missing.count,
        awaited: filesIn(manifest, missing),
        askedAgain: false,
        received: false,
      }
      return { committed: false, missing: missing.format(), reusedBytes }
    },

    async fill(id, count, body, compression) {
      const current = begun(id)
      try {
        const files = await take(current.awaited, count)
        const contents = decompress(body, compression)
        await receive(current.directory, files, releaseTime(current.id), current.folder, contents)
        current.missing -= count
        await current.flushing.add(files)
        current.received = true
        return { bytes: files.reduce((sum, { size }) => sum + size, 0) }
      } catch (error) {
        // What arrived before the connection was lost is verified, or its hash shows the damage. A full disk
        // needs the space.
        current.received = CUT_OFF.has(Failure.from(error).code)
        throw error
      }
    },

    async commit(params, progress) {
      const current = begun(params.id)
      if (current.missing > 0) throw failure('upload-incomplete', { problem: 'its contents never arrived' })
      const damaged = await proven(current, progress)
      if (damaged.count > 0 && !current.askedAgain) {
        current.missing = damaged.count
        current.awaited = filesIn(releaseFiles(current.directory).manifest, damaged)
        current.askedAgain = true
        return { path: null, missing: damaged.format(), leftOut: [] }
      }
      // A later failure is not a lack of contents.
      current.received = false
      await current.flushing.done()
      const made = await makeRelease(layout, current, {
        ...params,
        runtime: { ...params.runtime, socket: isPreview ? socketOf(layout) : null },
      })
      upload = undefined
      doomed = undefined
      await removeInterrupted(layout)
      return { ...made, missing: '' }
    },

    abandon,
  }
}

async function proven({ reuse, reusedBytes }: Upload, progress: (proven: Proven) => void): Promise<Bitmap> {
  let told = -1
  const tell = () => {
    const provenBytes = reuse.provenBytes()
    // On a hanging disk nothing more is verified, and the waiting runner must notice.
    if (provenBytes === told) return
    told = provenBytes
    progress({ provenBytes, totalBytes: reusedBytes })
  }
  const timer = setInterval(tell, PROGRESS_MS)
  return reuse.damaged.finally(() => clearInterval(timer))
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
    throw failure('upload-incomplete', {
      problem: `the release has no ${JSON.stringify(entry)}, which PM2 starts`,
    })
  }
  const served = [join(dirname(entry), 'public'), ...(staticPath === null ? [] : [staticPath])]
  // Once before the targets of links can become shared content, and once with the shared paths in place.
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

/** Whether only the answer of the commit was lost. `releases` holds complete releases only. */
async function wasCommitted(layout: Layout, id: string, contentHash: string): Promise<boolean> {
  if (!(await isRelease(layout, id))) return false
  if ((await readInfo(layout, id)).contentHash !== contentHash) return false
  // The session may have been killed in between.
  await syncRename(layout)
  await removeInterrupted(layout)
  return true
}

/** Writes the whole manifest, and notes each content that the upload named. @returns the manifest's SHA-256 in hex */
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
  for await (const { entry, index } of withSources(readManifest(manifest), () => null)) {
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
    if (done === true) throw failure('upload-corrupt', { problem: 'more arrived than the manifest names' })
    taken.push(value)
  }
  return taken
}

/** Takes an id, and returns the upload's folder. @throws Failure `release-exists` */
async function takeId(layout: Layout, id: string): Promise<string> {
  const directory = join(layout.incoming, id)
  if (!(await exists(releaseDirectory(layout, id)))) {
    try {
      await mkdir(directory, { mode: 0o755 })
      return directory
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  throw failure('release-exists', { release: id })
}
