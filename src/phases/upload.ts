/** upload: sends what the server lacks, in one compressed stream; the server proves every file by its hash. */
import { posix } from 'node:path'
import { Bitmap } from '../content/bitmap.ts'
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
import { throughLosses } from './reconnect.ts'

export interface Uploaded {
  readonly id: string
  /** Content bytes on the wire, compressed. */
  readonly sentBytes: number
  readonly sent: Sent
}

/**
 * Sends the release to all hosts, under one id.
 * @param onSent told of content bytes that went over the wire, also where the upload fails later
 */
export async function uploadToAll(
  plan: Plan,
  hosts: readonly Host[],
  output: Built,
  manifest: Manifest,
  pipeline: Pipeline,
  onSent: (bytes: number) => void = () => undefined,
): Promise<Uploaded> {
  const { maxParallel } = plan.inputs
  const id = hosts.length > 1 ? await agreeOnId(hosts, maxParallel, pipeline) : null
  const packer = hosts.length > 1 ? packOnce(manifest) : packForOne(manifest)
  const release = { plan, output, manifest, packer, id, onSent }
  const uploaded = await onEach(hosts, maxParallel, pipeline, (host, log) =>
    log.run('upload', () => upload(release, host, log.log)),
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
async function agreeOnId(hosts: readonly Host[], atOnce: number, pipeline: Pipeline): Promise<string> {
  const reserve = (id: string | null) =>
    onEach(hosts, atOnce, pipeline, (host) => host.agent().call('reserve', { id }))
  const proposed = await reserve(null)
  const latest = proposed
    .map(({ id }) => id)
    .toSorted()
    .at(-1)!
  await reserve(latest)
  return latest
}

/** What goes to every host. */
interface Release {
  readonly plan: Plan
  readonly output: Built
  readonly manifest: Manifest
  readonly packer: Packer
  /** Of the release, where it was agreed on; otherwise the server chooses it. */
  readonly id: string | null
  readonly onSent: (bytes: number) => void
}

/** How far the release has come on a host, over all sessions. */
interface Course {
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

type Committed = Pick<Result<'commit'>, 'leftOut'>

async function upload(release: Release, host: Host, log: Pick<Log, 'info'>): Promise<Done<Uploaded>> {
  const { manifest } = release
  const course: Course = {
    id: release.id,
    asked: new Bitmap(),
    sentBytes: 0,
    hadBytes: null,
    losses: 0,
    arrivedBytes: 0,
  }
  const { leftOut } = await throughLosses(
    host,
    {
      begin: () => transfer(release, host, course, null, log),
      takeUp() {
        course.losses += 1
        return transfer(release, host, course, course.id, log)
      },
      isFinal: ({ code }) => code !== 'connection-lost',
    },
    log.info,
  )
  const { id, sentBytes } = course
  const bytes = totalSize(missingFiles(manifest, course.asked.format()))
  const { count } = course.asked
  return {
    value: {
      id: id!,
      sentBytes,
      sent: {
        files: count,
        bytes,
        ofFiles: manifest.fileCount,
        ofBytes: manifest.bytes,
      },
    },
    detail: [
      `${id}: sent ${plural(count, 'file')} in ${formatBytes(sentBytes)}, ` +
        `${manifest.fileCount - count} were there already`,
      ...remarks(course, leftOut),
    ].join('; '),
  }
}

function* remarks({ losses, arrivedBytes }: Course, leftOut: readonly string[]): Generator<string> {
  if (losses > 0) {
    const times = losses === 1 ? '' : ` ${losses} times`
    yield `the connection was lost${times} and the upload taken up again: ${formatBytes(arrivedBytes)} had arrived`
  }
  if (leftOut.length > 0) yield `left out, because what is shared counts: ${leftOut.join(', ')}`
}

/**
 * One session's part of it, which is all of it unless the connection is lost.
 * @param resumes the upload that an earlier session began
 */
async function transfer(
  release: Release,
  host: Host,
  course: Course,
  resumes: string | null,
  log: Pick<Log, 'info'>,
): Promise<Committed> {
  const agent = host.agent()
  const { plan, output, manifest, packer, onSent } = release
  const { id, missing, reusedBytes, committed } = await stage(release, host, resumes)
  course.id = id
  if (committed) {
    course.arrivedBytes = manifest.bytes - (course.hadBytes ?? 0)
    return { leftOut: [] }
  }
  course.hadBytes ??= reusedBytes
  course.arrivedBytes = Math.max(0, reusedBytes - course.hadBytes)
  let failure: unknown

  async function* counted(content: AsyncIterable<Buffer>) {
    for await (const chunk of content) {
      course.sentBytes += chunk.length
      onSent(chunk.length)
      yield chunk
    }
  }

  /** All calls go out one after the other: only the commit's answer is waited for, or the first error. */
  async function send(wanted: string): Promise<Result<'commit'>> {
    course.asked.include(Bitmap.parse(wanted))
    const progress = startProgress(log, 'sent', totalSize(missingFiles(manifest, wanted)))
    for await (const part of packer.parts(wanted, progress)) {
      const filled = agent.call('fill', { id, files: part.files.length }, { body: counted(part.content) })
      filled.catch((error: unknown) => (failure ??= error))
      await agent.sent()
      if (failure !== undefined) throw failure
    }
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
      throw failure ?? error
    })
  }

  const first = await send(missing)
  // Files that the server had no longer have the bytes that they should have: a running app may have rewritten
  // its pages. They are sent like all others.
  const last = first.path === null ? await send(first.missing) : first
  if (last.path === null) throw new Failure('upload-incomplete', `the server did not accept ${id}`)
  return last
}

async function stage(
  { output, manifest, packer }: Release,
  host: Host,
  resumes: string | null,
): Promise<Result<'stage'>> {
  if (resumes === null && (await host.base()).base === null) packer.foresee()
  return offer(host, output, manifest, packer, (params, body) =>
    host.agent().call('stage', { ...params, resumes }, { body }),
  )
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
    progress ??= startProgress(log, 'proven on the server', totalBytes)
    progress(provenBytes - before)
    before = provenBytes
  }
}
