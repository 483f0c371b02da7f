/** Begins an upload as the upload phase does. */
import type { Uploads } from '../../src/agent/upload/upload.ts'
import type { Params, Result } from '../../src/protocol/messages.ts'
import { nextReleaseId } from '../../src/protocol/release-id.ts'
import type { Manifest } from '../../src/transfer/manifest.ts'
import type { SourceFile } from '../../src/transfer/manifest.ts'
import { contentParts, manifestStream, missingFiles } from '../../src/transfer/stream.ts'

type Outline = Result<'outline'>
export const noBase: Outline = { base: null, folders: '' }

/** What `stage` wants to know of nothing at all: the body is not what it is about. */
export const stageParams: Params<'stage'> = {
  id: '20260101000000',
  base: null,
  contentHash: '',
  distDir: '.next',
  resumes: false,
}

let newest: string | null = null
/** Later than all that were chosen before. */
function chooseId(): string {
  newest = nextReleaseId(new Date(), [newest])
  return newest
}

export function stageParamsOf(manifest: Manifest, { base }: Outline = noBase): Params<'stage'> {
  return { ...stageParams, id: chooseId(), base, contentHash: manifest.hash }
}

export type Staged = Result<'stage'> & { readonly id: string }

export async function stage(
  uploads: Uploads,
  manifest: Manifest,
  outline: Outline = noBase,
  id?: string,
): Promise<Staged> {
  const params = stageParamsOf(manifest, outline)
  const body = manifestStream(manifest, outline.folders)
  return { id: id ?? params.id, ...(await uploads.stage({ ...params, id: id ?? params.id }, body)) }
}

export function missingList(manifest: Manifest, bitmap: string): readonly SourceFile[] {
  return [...missingFiles(manifest, bitmap)]
}

/** The compressed contents of files that are few enough for one part. */
async function contentOf(files: readonly SourceFile[]): Promise<Buffer> {
  const chunks: Buffer[] = []
  let parts = 0
  for (const { content } of contentParts(files)) {
    parts += 1
    for await (const chunk of content as AsyncIterable<Buffer>) chunks.push(chunk)
  }
  if (parts > 1) throw new Error('more than one part')
  return Buffer.concat(chunks)
}

/** The same as a body. */
export async function* bodyOf(files: readonly SourceFile[]): AsyncGenerator<Buffer, void, undefined> {
  yield* pieces(await contentOf(files))
}

function* pieces(bytes: Buffer, size = 64 * 1024): Generator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
