/** upload: sends what the server lacks, in one compressed stream; the server proves every file by its hash. */
import { posix } from 'node:path'
import { formatBytes, plural } from '../format.ts'
import type { Done, Log, Pipeline } from '../pipeline.ts'
import type { Sent } from '../outcome.ts'
import { type Plan, runtimeOf } from '../plan.ts'
import { startProgress } from '../progress.ts'
import { Failure } from '../protocol/failure.ts'
import { type Params, proven, type Result } from '../protocol/messages.ts'
import type { Manifest } from '../transfer/manifest.ts'
import { packForOne, packOnce, type Packer } from '../transfer/pack-once.ts'
import { missingFiles, totalSize } from '../transfer/stream.ts'
import type { Built } from './build.ts'
import { type Host, onEach } from './hosts.ts'

export interface Uploaded {
  readonly id: string
  /** Content bytes on the wire, compressed. */
  readonly sentBytes: number
  readonly sent: Sent
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
  const packer = hosts.length > 1 ? packOnce(manifest) : packForOne(manifest)
  const uploaded = await onEach(hosts, maxParallel, pipeline, (host, log) =>
    log.run('upload', () => upload(plan, host, output, manifest, packer, log.log)),
  ).finally(() => packer.close())
  const sum = (of: (one: Uploaded) => number) => uploaded.reduce((total, one) => total + of(one), 0)
  const sent = {
    files: sum((one) => one.sent.files),
    bytes: sum((one) => one.sent.bytes),
    ofFiles: sum((one) => one.sent.ofFiles),
    ofBytes: sum((one) => one.sent.ofBytes),
  }
  return { id: uploaded[0]!.id, sentBytes: sum(({ sentBytes }) => sentBytes), sent }
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

async function upload(
  plan: Plan,
  host: Host,
  output: Built,
  manifest: Manifest,
  packer: Packer,
  log: Pick<Log, 'info'>,
): Promise<Done<Uploaded>> {
  const agent = host.agent()
  const staged = await stage(host, output, manifest, packer)
  const { id } = staged
  let [sentFiles, contentBytes, sentBytes] = [0, 0, 0]
  let failure: unknown

  async function* counted(content: AsyncIterable<Buffer>) {
    for await (const chunk of content) {
      sentBytes += chunk.length
      yield chunk
    }
  }

  /** All calls go out one after the other: only the commit's answer is waited for, or the first error. */
  async function send(missing: string): Promise<Result<'commit'>> {
    const files = missingFiles(manifest, missing)
    const size = totalSize(files)
    sentFiles += files.length
    contentBytes += size
    const progress = startProgress(log, 'sent', size)
    for await (const part of packer.parts(missing, progress)) {
      const filled = agent.call('fill', { id, files: part.files.length }, { body: counted(part.content) })
      filled.catch((error: unknown) => (failure ??= error))
      await agent.sent()
      if (failure !== undefined) throw failure
    }
    const committed = agent.call(
      'commit',
      {
        id,
        entry: output.entry,
        staticPath: output.staticPath,
        nextVersion: output.nextVersion ?? '',
        run: plan.run,
        runtime: runtimeOf(plan.inputs, output.basePath, output.workerEnvironment),
      },
      { onEvent: provenSoFar(log) },
    )
    return committed.catch((error: unknown) => {
      throw failure ?? error
    })
  }

  const first = await send(staged.missing)
  // Files that the server had no longer have the bytes that they should have: a running app may have rewritten
  // its pages. They are sent like all others.
  const last = first.path === null ? await send(first.missing) : first
  if (last.path === null) throw new Failure('upload-incomplete', `the server did not accept ${id}`)
  const remark =
    last.leftOut.length === 0 ? '' : `; left out, because what is shared counts: ${last.leftOut.join(', ')}`
  return {
    value: {
      id,
      sentBytes,
      sent: {
        files: sentFiles,
        bytes: contentBytes,
        ofFiles: manifest.files.length,
        ofBytes: manifest.bytes,
      },
    },
    detail:
      `${id}: sent ${plural(sentFiles, 'file')} in ${formatBytes(sentBytes)}, ` +
      `${manifest.files.length - sentFiles} were there already${remark}`,
  }
}

async function stage(host: Host, output: Built, manifest: Manifest, packer: Packer) {
  return offer(host, output, manifest, packer, (params, body) => host.agent().call('stage', params, { body }))
}

/** Names the release to a host as what is different from one that it has. */
export async function offer<T>(
  host: Host,
  output: Built,
  manifest: Manifest,
  packer: Packer,
  call: (params: Params<'stage'>, body: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  const distDir = posix.join(output.relativeAppDir, output.distDir)
  const begin = (base: string | null, folders: string) =>
    call({ base, contentHash: manifest.hash, distDir }, packer.manifest(folders))
  const known = await host.base()
  try {
    return await begin(known.base, known.folders)
  } catch (error) {
    // It was removed or damaged while the app was built: nothing is left out then.
    if (Failure.from(error).code !== 'base-changed') throw error
    return begin(null, '')
  }
}

function provenSoFar(log: Pick<Log, 'info'>): (event: unknown) => void {
  let progress: ((bytes: number) => void) | undefined
  let before = 0
  return (event) => {
    const { provenBytes, totalBytes } = proven(event, 'event')
    progress ??= startProgress(log, 'proven on the server', totalBytes)
    progress(provenBytes - before)
    before = provenBytes
  }
}
