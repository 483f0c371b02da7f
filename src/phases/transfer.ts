/** One release on its way to one host, in one session: what the host lacks is asked for, sent, and committed. */
import { posix } from 'node:path'
import { Bitmap } from '../common/bitmap.ts'
import type { Log } from '../pipeline.ts'
import { type Plan, runtimeOf } from '../plan.ts'
import { startProgress } from './progress.ts'
import { Failure } from '../common/failure.ts'
import { type Params, proven, type Result } from '../protocol/messages.ts'
import type { AgentSession } from '../agent-client/agent-session.ts'
import type { Manifest } from '../transfer/manifest.ts'
import type { Packer } from '../transfer/packer.ts'
import { missingFiles, totalSize } from '../transfer/stream.ts'
import type { Built } from './build.ts'
import type { Host } from '../hosts/host.ts'

/** What goes to every host. */
export interface Release {
  readonly plan: Plan
  readonly output: Built
  readonly manifest: Manifest
  readonly packer: Packer
  /** Of the release, where it was agreed on; otherwise the server chooses it. */
  readonly id: string | null
  readonly onSent: (bytes: number) => void
}

/** How far the release has come on a host, over all sessions. */
export interface Course {
  id: string | null
  /** All that was asked for. */
  readonly asked: Bitmap
  sentBytes: number
  /** What the server had when the upload began, in bytes of content; null before it has told. */
  hadBytes: number | null
  /** How often the connection was lost, and what had arrived by the last time. */
  losses: number
  arrivedBytes: number
}

export type Committed = Pick<Result<'commit'>, 'leftOut'>

/**
 * One session's part of it, which is all of it unless the connection is lost.
 * @param resumes the upload that an earlier session began
 */
export async function transfer(
  release: Release,
  host: Host,
  course: Course,
  resumes: string | null,
  log: Pick<Log, 'info'>,
): Promise<Committed> {
  const agent = host.agent()
  const { plan, output, manifest, packer } = release
  // What an interrupted upload has left is found by the server alone.
  const guess = course.losses === 0 ? packer.guess : null
  let unasked: Sending | undefined
  const { id, missing, reusedBytes, committed } = await offer(
    host,
    output,
    manifest,
    packer,
    (params, body) => {
      const answer = agent.call('stage', { ...params, resumes }, { body })
      if (guess !== null) unasked = send(release, course, agent, null, guess, manifest.bytes, log)
      return answer
    },
  ).catch((error: unknown) => {
    unasked?.stop()
    if (guess !== null && unasked !== undefined && Failure.from(error).code === 'connection-lost') {
      // What of it has arrived will be found there.
      course.hadBytes ??= 0
      course.asked.include(Bitmap.parse(guess))
    }
    throw error
  })
  course.id = id
  if (committed) {
    course.arrivedBytes = manifest.bytes - (course.hadBytes ?? 0)
    return { leftOut: [] }
  }
  course.hadBytes ??= reusedBytes
  course.arrivedBytes = Math.max(0, reusedBytes - course.hadBytes)

  /** Only the commit's answer is waited for, or the first error: all calls go out one after the other. */
  async function complete(wanted: string, sending: Sending): Promise<Result<'commit'>> {
    course.asked.include(Bitmap.parse(wanted))
    await sending.sent
    const answer = agent.call(
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
    return answer.catch((error: unknown) => {
      throw sending.failure() ?? error
    })
  }

  const sendAsked = (wanted: string) =>
    send(release, course, agent, id, wanted, totalSize(missingFiles(manifest, wanted)), log)
  if (missing !== guess) unasked?.stop()
  const sending = missing === guess && unasked !== undefined ? unasked : sendAsked(missing)
  const first = await complete(missing, sending)
  // Files that the server had no longer have the bytes that they should have: a running app may have rewritten
  // its pages. They are sent like all others.
  const last = first.path === null ? await complete(first.missing, sendAsked(first.missing)) : first
  if (last.path === null) throw new Failure('upload-incomplete', `the server did not accept ${id}`)
  return last
}

/** Contents on their way to a host. */
interface Sending {
  /** @throws the first failure to receive them, once no more are sent */
  readonly sent: Promise<void>
  failure(): unknown
  /** They are not wanted. */
  stop(): void
}

/**
 * @param id null: what was staged last, which the server has not answered yet
 * @param bytes of the files that are wanted
 */
function send(
  { packer, onSent }: Release,
  course: Course,
  agent: AgentSession,
  id: string | null,
  wanted: string,
  bytes: number,
  log: Pick<Log, 'info'>,
): Sending {
  let failure: unknown
  let stopped = false

  async function* counted(content: AsyncIterable<Buffer>) {
    for await (const chunk of content) {
      if (stopped) return
      course.sentBytes += chunk.length
      onSent(chunk.length)
      yield chunk
    }
  }

  async function sendAll(): Promise<void> {
    const progress = startProgress(log, 'sent', bytes)
    for await (const { fileCount, content } of packer.parts(wanted, bytes, progress)) {
      if (stopped) return
      const filled = agent.call('fill', { id, files: fileCount }, { body: counted(content) })
      filled.catch((error: unknown) => (failure ??= error))
      await agent.sent()
      if (failure !== undefined) throw failure
    }
  }

  const sent = sendAll()
  // Who stopped it does not wait for it.
  sent.catch(() => undefined)
  return { sent, failure: () => failure, stop: () => (stopped = true) }
}

/** Names the release to a host as what is different from one that it has. */
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
    progress ??= startProgress(log, 'verified on the server', totalBytes)
    progress(provenBytes - before)
    before = provenBytes
  }
}
