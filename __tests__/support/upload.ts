/** Begins an upload as the upload phase does. */
import type { Uploads } from '../../src/agent/upload/upload.ts'
import type { Params, Result } from '../../src/protocol/messages.ts'
import type { Manifest } from '../../src/transfer/manifest.ts'
import type { SourceFile } from '../../src/transfer/manifest.ts'
import { contentParts, manifestStream, missingFiles } from '../../src/transfer/stream.ts'

type Outline = Result<'outline'>
export const noBase: Outline = { base: null, folders: '' }

/** What `stage` wants to know of nothing at all: the body is not what it is about. */
export const stageParams: Params<'stage'> = { base: null, contentHash: '', distDir: '.next', resumes: null }

export function stageParamsOf(manifest: Manifest, { base }: Outline = noBase): Params<'stage'> {
  return { ...stageParams, base, contentHash: manifest.hash }
}

export function stage(
  uploads: Uploads,
  manifest: Manifest,
  outline: Outline = noBase,
): Promise<Result<'stage'>> {
  return uploads.stage(stageParamsOf(manifest, outline), manifestStream(manifest, outline.folders))
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
