/** upload: sends what the server lacks, in one compressed stream; the server proves every file by its hash. */
import { formatBytes, plural } from '../format.ts'
import type { Done, Pipeline } from '../pipeline.ts'
import { type Plan, runtimeOf } from '../plan.ts'
import { contentStream, manifestStream, missingFiles } from '../transfer/stream.ts'
import type { Manifest } from '../transfer/manifest.ts'
import type { Built } from './build.ts'
import { type Host, onEach } from './hosts.ts'

export interface Uploaded {
  readonly id: string
  /** Content bytes on the wire, compressed. */
  readonly sentBytes: number
}

/** Sends the release to all hosts, under one id. */
export async function uploadToAll(
  plan: Plan,
  hosts: readonly Host[],
  output: Built,
  manifest: Manifest,
  pipeline: Pipeline,
): Promise<Uploaded> {
  const { maxParallel } = plan.inputs
  if (hosts.length > 1) await agreeOnId(hosts, maxParallel, pipeline)
  const uploaded = await onEach(hosts, maxParallel, pipeline, (host, log) =>
    log.run('upload', () => upload(plan, host, output, manifest)),
  )
  return { id: uploaded[0]!.id, sentBytes: uploaded.reduce((sum, { sentBytes }) => sum + sentBytes, 0) }
}

/** A release has the same id on all hosts, later than every other on any of them. */
async function agreeOnId(hosts: readonly Host[], atOnce: number, pipeline: Pipeline): Promise<void> {
  const reserve = (id: string | null) =>
    onEach(hosts, atOnce, pipeline, (host) => host.agent().call('reserve', { id }))
  const proposed = await reserve(null)
  await reserve(
    proposed
      .map(({ id }) => id)
      .toSorted()
      .at(-1)!,
  )
}

async function upload(plan: Plan, host: Host, output: Built, manifest: Manifest): Promise<Done<Uploaded>> {
  const agent = host.agent()
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
  const { leftOut } = await agent.call('commit', {
    id,
    entry: output.entry,
    staticPath: output.staticPath,
    nextVersion: output.nextVersion ?? '',
    run: plan.run,
    runtime: runtimeOf(plan.inputs, output.basePath, output.workerEnvironment),
  })
  const remark =
    leftOut.length === 0 ? '' : `; left out, because what is shared counts: ${leftOut.join(', ')}`
  return {
    value: { id, sentBytes },
    detail: `${id}: sent ${plural(files.length, 'file')} in ${formatBytes(sentBytes)}, ${reusedFiles} were there already${remark}`,
  }
}
