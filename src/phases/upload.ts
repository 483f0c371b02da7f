/** upload: sends what the server lacks, in one compressed stream; the server proves every file by its hash. */
import { formatBytes, plural } from '../format.ts'
import type { BuildOutput } from '../next/output.ts'
import type { Done } from '../pipeline.ts'
import { type Plan, runtimeOf } from '../plan.ts'
import { contentStream, manifestStream, missingFiles } from '../transfer/stream.ts'
import type { Manifest } from '../transfer/manifest.ts'
import type { Server } from './connect.ts'

export interface Uploaded {
  readonly id: string
  /** Content bytes on the wire, compressed. */
  readonly sentBytes: number
}

export async function upload(
  plan: Plan,
  { agent }: Server,
  output: BuildOutput,
  manifest: Manifest,
): Promise<Done<Uploaded>> {
  const { id, missing, reusedFiles } = await agent.call('stage', {}, { body: manifestStream(manifest) })
  const files = missingFiles(manifest, missing)
  let sentBytes = 0
  async function* counted() {
    for await (const chunk of contentStream(files)) {
      sentBytes += chunk.length
      yield chunk
    }
  }
  if (files.length > 0) await agent.call('fill', { id }, { body: counted() })
  await agent.call('commit', {
    id,
    entry: output.entry,
    nextVersion: output.nextVersion ?? '',
    run: plan.run,
    runtime: runtimeOf(plan.inputs, output.basePath),
  })
  return {
    value: { id, sentBytes },
    detail: `${id}: sent ${plural(files.length, 'file')} in ${formatBytes(sentBytes)}, ${reusedFiles} were there already`,
  }
}
