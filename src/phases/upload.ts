/** upload: sends what the server lacks, compressed. The server verifies every file by its hash. */
import { Bitmap } from '../common/bitmap.ts'
import { formatBytes, plural } from '../common/format.ts'
import { Failure } from '../common/failure.ts'
import type { Sent } from '../outcome.ts'
import type { Done, Log, Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { nextReleaseId } from '../protocol/release-id.ts'
import { totalSize } from '../transfer/manifest.ts'
import { missingFiles } from '../transfer/stream.ts'
import type { Assembled } from './assemble.ts'
import type { Built } from './build.ts'
import { discard } from './discard.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { throughLosses } from '../hosts/reconnect.ts'
import { type Committed, type Course, type Release, transfer } from './transfer.ts'

export interface Uploaded {
  readonly id: string
  readonly sentBytes: number
  readonly sent: Sent
}

/** Sends the release to all hosts. @param onSent told of the content bytes on the wire, also where the upload fails */
export async function uploadToAll(
  plan: Plan,
  hosts: readonly Host[],
  output: Built,
  { manifest, packer }: Assembled,
  pipeline: Pipeline,
  onSent: (bytes: number) => void = () => undefined,
): Promise<Uploaded> {
  const id = nextReleaseId(
    new Date(),
    hosts.map(({ facts }) => facts.newestId),
  )
  const release = { plan, output, manifest, packer, id, isForOneHost: hosts.length === 1, onSent }
  const complete: Host[] = []
  const uploaded = await onEach(hosts, plan.inputs['max-parallel'], pipeline, async (host, log) => {
    const sent = await log.run('upload', () => upload(release, host, log.log))
    complete.push(host)
    return sent
  })
    .catch(async (error: unknown) => {
      // On the other hosts the id may be another deploy's.
      await discard(complete, id, true)
      throw error
    })
    .finally(() => packer.close())
  const sum = (of: (one: Uploaded) => number) => uploaded.reduce((total, one) => total + of(one), 0)
  const sent = {
    files: sum((one) => one.sent.files),
    bytes: sum((one) => one.sent.bytes),
    ofFiles: sum((one) => one.sent.ofFiles),
    ofBytes: sum((one) => one.sent.ofBytes),
  }
  return { id: uploaded[0]!.id, sentBytes: sum(({ sentBytes }) => sentBytes), sent }
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
      begin: () => begin(release, host, course, log),
      resume() {
        course.losses += 1
        return transfer(release, host, course, true, log)
      },
      isFinal: ({ code }) => code !== 'connection-lost',
    },
    log.info,
  )
  const { id, sentBytes } = course
  const bytes = totalSize(missingFiles(manifest, course.asked.format()))
  const { count } = course.asked
  const ofFiles = manifest.files.length
  const files = `sent ${plural(count, 'file')} (${formatBytes(sentBytes)} compressed), reused ${ofFiles - count}`
  return {
    value: { id, sentBytes, sent: { files: count, bytes, ofFiles, ofBytes: manifest.bytes } },
    detail: [`${id}: ${files}`, ...remarks(course, leftOut)].join('; '),
  }
}

/** A single host can take the next id where another deploy began in the same second. */
async function begin(
  release: Release,
  host: Host,
  course: Course,
  log: Pick<Log, 'info'>,
): Promise<Committed> {
  for (;;) {
    try {
      return await transfer(release, host, course, false, log)
    } catch (error) {
      if (!release.isForOneHost || Failure.from(error).code !== 'release-exists') throw error
      course.id = nextReleaseId(new Date(), [course.id])
    }
  }
}

function* remarks({ losses, arrivedBytes }: Course, leftOut: readonly string[]): Generator<string> {
  if (losses > 0) {
    const times = losses === 1 ? '' : ` ${losses} times`
    yield `the connection was lost${times}, and the upload resumed: ${formatBytes(arrivedBytes)} had arrived`
  }
  if (leftOut.length > 0) yield `not sent, because they are shared paths: ${leftOut.join(', ')}`
}
