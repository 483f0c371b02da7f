/** upload: sends what the server lacks, compressed; the server proves every file by its hash. */
import { Bitmap } from '../common/bitmap.ts'
import { formatBytes, plural } from '../common/format.ts'
import type { Sent } from '../outcome.ts'
import type { Done, Log, Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { missingFiles, totalSize } from '../transfer/stream.ts'
import type { Assembled } from './assemble.ts'
import type { Built } from './build.ts'
import { discard } from './discard.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { throughLosses } from '../hosts/reconnect.ts'
import { type Course, type Release, transfer } from './transfer.ts'

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
  { manifest, packer }: Assembled,
  pipeline: Pipeline,
  onSent: (bytes: number) => void = () => undefined,
): Promise<Uploaded> {
  const { maxParallel } = plan.inputs
  const sendToEach = async () => {
    const id = hosts.length > 1 ? await agreeOnId(hosts, maxParallel, pipeline) : null
    const release = { plan, output, manifest, packer, id, onSent }
    const complete: Host[] = []
    const sending = onEach(hosts, maxParallel, pipeline, async (host, log) => {
      const sent = await log.run('upload', () => upload(release, host, log.log))
      complete.push(host)
      return sent
    })
    return sending.catch(async (error: unknown) => {
      // Where it is not complete, the id may be another deploy's.
      if (id !== null) await discard(complete, id, true)
      throw error
    })
  }
  const uploaded = await sendToEach().finally(() => packer.close())
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
      `${id}: sent ${plural(count, 'file')} (${formatBytes(sentBytes)} compressed), ` +
        `reused ${manifest.fileCount - count}`,
      ...remarks(course, leftOut),
    ].join('; '),
  }
}

function* remarks({ losses, arrivedBytes }: Course, leftOut: readonly string[]): Generator<string> {
  if (losses > 0) {
    const times = losses === 1 ? '' : ` ${losses} times`
    yield `the connection was lost${times}, and the upload resumed: ${formatBytes(arrivedBytes)} had arrived`
  }
  if (leftOut.length > 0) yield `not sent, because they are shared paths: ${leftOut.join(', ')}`
}
