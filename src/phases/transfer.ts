/** Sends one release to one host in one session: asks what the host lacks, sends that, and commits. */
import { posix } from 'node:path'
import { Bitmap } from '../common/bitmap.ts'
import type { Log } from '../pipeline.ts'
import { type Plan, runtimeOf } from '../plan.ts'
import { startProgress } from './progress.ts'
import { failure } from '../common/errors/upload.ts'
import { Failure } from '../common/failure.ts'
import { type Params, proven, type Result } from '../protocol/messages.ts'
import type { AgentSession } from '../agent-client/agent-session.ts'
import { type Manifest, totalSize } from '../transfer/manifest.ts'
import type { PackedPart, Packer } from '../transfer/packer.ts'
import { missingFiles } from '../transfer/stream.ts'
import type { Built } from './build.ts'
import type { Host } from '../hosts/host.ts'

export interface Release {
  readonly plan: Plan
  readonly output: Built
  readonly manifest: Manifest
  readonly packer: Packer
  /** Later than every id on every host. */
  readonly id: string
  /** Whether another id would do as well. */
  readonly isForOneHost: boolean
  readonly onSent: (bytes: number) => void
}

/** How far the upload has come on a host, over all sessions. */
export interface Course {
  id: string
  /** All that was asked for. */
  readonly asked: Bitmap
  sentBytes: number
  /** Bytes of content that the server had when the upload began; null before its first answer. */
  hadBytes: number | null
  /** How often the connection was lost, and the bytes that had arrived by the last time. */
  losses: number
  arrivedBytes: number
}

export type Committed = Pick<Result<'commit'>, 'leftOut'>

/**
 * One session's part of the upload: all of it, unless the connection is lost.
 * @param resumes whether an earlier session began the upload
 */
export async function transfer(
  release: Release,
  host: Host,
  course: Course,
  resumes: boolean,
  log: Pick<Log, 'info'>,
): Promise<Committed> {
  const agent = host.agent()
  const { plan, output, manifest, packer } = release
  const { id } = course
  const { missing, reusedBytes, committed } = await offer(host, output, manifest, packer, (params, body) =>
    agent.call('stage', { ...params, id, resumes }, { body }),
  )
  if (committed) {
    course.arrivedBytes = manifest.bytes - (course.hadBytes ?? 0)
    return { leftOut: [] }
  }
  course.hadBytes ??= reusedBytes
  course.arrivedBytes = Math.max(0, reusedBytes - course.hadBytes)

  /** Waits for the commit's answer alone, or the first error: all calls go out one after the other. */
  async function complete(wanted: string): Promise<Result<'commit'>> {
    course.asked.include(Bitmap.parse(wanted))
    const sending = await send(release, course, agent, wanted, log)
    const answer = agent.call(
      'commit',
      {
        id,
        entry: output.entry,
        staticPath: output.staticPath,
        nextVersion: output.nextVersion ?? '',
        builtMsAgo: Math.max(0, Math.round(Date.now() - output.beganAt)),
        run: plan.inputs.run,
        runtime: runtimeOf(plan.inputs, output.basePath, output.workerEnvironment),
      },
      { onEvent: provenSoFar(log) },
    )
    return answer.catch((error: unknown) => {
      throw sending.failure ?? error
    })
  }

  const first = await complete(missing)
  // Files on the server that no longer have the right bytes are sent too: a running app may have rewritten its pages.
  const last = first.path === null ? await complete(first.missing) : first
  if (last.path === null)
    throw failure('upload-incomplete', { problem: 'files that were sent still differ on the server' })
  return last
}

/**
 * Sends the contents that a host lacks. The answers may still be on their way afterwards.
 * @returns the first failure to receive them, once it is known; throws it where it comes while contents are sent
 */
async function send(
  { manifest, packer, onSent }: Release,
  course: Course,
  agent: AgentSession,
  wanted: string,
  log: Pick<Log, 'info'>,
): Promise<{ readonly failure: unknown }> {
  const sending: { failure: unknown } = { failure: undefined }
  const progress = startProgress(log, 'sent', totalSize(missingFiles(manifest, wanted)))

  async function* counted({ bytes, packedBytes, content }: PackedPart) {
    for await (const chunk of content()) {
      course.sentBytes += chunk.length
      onSent(chunk.length)
      progress((bytes * chunk.length) / packedBytes)
      yield chunk
    }
  }

  for await (const part of packer.parts(wanted)) {
    const { fileCount: files, compression } = part
    const filled = agent.call('fill', { id: course.id, files, compression }, { body: counted(part) })
    filled.catch((error: unknown) => (sending.failure ??= error))
    await agent.sent()
    if (sending.failure !== undefined) throw sending.failure
  }
  return sending
}

/** Tells a host the release's manifest, as the difference from a release that it has. */
export async function offer<T>(
  host: Host,
  output: Built,
  manifest: Manifest,
  packer: Packer,
  call: (params: Params<'compare'>, body: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  const distDir = posix.join(output.relativeAppDir, output.distDir)
  const begin = (base: string | null, folders: string) =>
    call({ base, contentHash: manifest.hash, distDir }, packer.manifest(folders))
  const known = await host.base()
  try {
    return await begin(known.base, known.folders)
  } catch (error) {
    // The base was removed or damaged while the app was built.
    if (Failure.from(error).code !== 'base-changed') throw error
    return begin(null, '')
  }
}

function provenSoFar(log: Pick<Log, 'info'>): (event: unknown) => void {
  let progress: ((bytes: number) => void) | undefined
  let before = 0
  return (event) => {
    const { provenBytes, totalBytes } = proven(event, 'event')
    progress ??= startProgress(log, 'verified on the server', totalBytes)
    progress(provenBytes - before)
    before = provenBytes
  }
}
