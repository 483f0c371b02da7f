/** What a run would do and meet on this server, for a dry run: it looks, and writes nothing. */
import { createHash } from 'node:crypto'
import { Failure } from '../protocol/failure.ts'
import { formatEntry, type ManifestEntry } from '../protocol/manifest.ts'
import type { Finding, Params, Result } from '../protocol/messages.ts'
import { isOurs, programOf } from './activation/fleet.ts'
import { interruptedActivation } from './activation/interrupted.ts'
import { assertNotOvertaken } from './activation/overtaken.ts'
import { assertNameIsOurs } from './app-name.ts'
import { foreseeCleanUp } from './cleanup.ts'
import { nearestExisting } from './files.ts'
import type { Layout } from './layout.ts'
import { lockHolder } from './lock.ts'
import { baseChanged, fillIn } from './outline.ts'
import type { Pm2Process } from './pm2.ts'
import { assertPortIsOurs } from './port.ts'
import { decompress } from './receive.ts'
import { liveRelease, readInfo, readRuntime } from './releases.ts'
import { lackOfRoom } from './room.ts'
import { contentKey, locate, sourcesIn, type Wanted } from './sources.ts'
import { look, toPlace } from './survey.ts'
import { nextId } from './upload.ts'
import { readWorkers } from './workers.ts'

/** @throws Failure `base-changed`, `upload-corrupt`, as `stage` does */
export async function compare(
  layout: Layout,
  { base, contentHash, distDir }: Params<'compare'>,
  body: AsyncIterable<Buffer>,
): Promise<Result<'compare'>> {
  const hash = createHash('sha256')
  const entries: ManifestEntry[] = []
  const wanted: Wanted = new Map()
  for await (const { entry, named } of fillIn(layout, base, decompress(body))) {
    if (named && entry.kind === 'file') wanted.set(contentKey(entry), null)
    hash.update(formatEntry(entry))
    entries.push(entry)
  }
  if (hash.digest('hex') !== contentHash) {
    throw base === null ? new Failure('upload-corrupt', 'the manifest is not what was sent') : baseChanged()
  }
  await locate(layout, wanted, '')
  const { missing, need } = await look(toPlace(entries, sourcesIn(layout, base, wanted)), distDir)
  const lack = await lackOfRoom(nearestExisting(layout.base), need)
  return { missing: missing.format(), lack: lack === null ? null : lack.toRecord() }
}

/** What PM2 has of the app. */
export interface Running {
  readonly processes: readonly Pm2Process[]
  readonly daemon: number | null
}

export async function rehearse(
  layout: Layout,
  { release, run, address, keep }: Params<'rehearse'>,
  { processes, daemon }: Running,
): Promise<Result<'rehearse'>> {
  const live = await liveRelease(layout)
  const { host, port } = address ?? (await readRuntime(layout, release ?? ''))
  const records = await readWorkers(layout.workers)
  const named = await ending(async () => assertNameIsOurs(layout, processes))
  const findings = [
    waiting(await lockHolder(layout.lock)),
    interrupted(await interruptedActivation(layout)),
    release === null && live !== null
      ? await ending(async () => assertNotOvertaken(run, await readInfo(layout, live).catch(() => null)))
      : null,
    named,
    await ending(() => assertPortIsOurs(host, port, { processes, records, daemon })),
    // It would not come to that where the run ends before.
    named === null ? gap(processes.filter((process) => !isOurs(process, programOf(layout)))) : null,
  ]
  return {
    findings: findings.filter((finding) => finding !== null),
    pruned: await foreseeCleanUp(layout, keep, release ?? (await nextId(layout))),
  }
}

/** Where the run would end, with nothing live touched. */
async function ending(check: () => Promise<void>): Promise<Finding | null> {
  try {
    await check()
    return null
  } catch (error) {
    const { code, message, remedy = null } = Failure.from(error)
    return { effect: 'ends', code, message, remedy }
  }
}

function waiting(holder: string | null): Finding | null {
  if (holder === null) return null
  const message = `the lock is held by ${holder}`
  return { effect: 'waits', code: 'locked', message, remedy: 'A run waits for it up to `lock-timeout`.' }
}

function interrupted(activation: string | null): Finding | null {
  if (activation === null) return null
  const message = 'an earlier run was interrupted after the swap'
  return { effect: 'recovers', code: null, message, remedy: 'A run first finishes it, or takes it back.' }
}

function gap(foreign: readonly Pm2Process[]): Finding | null {
  if (foreign.length === 0) return null
  const what = foreign.map(({ pid, mode, script }) => `${pid} (${mode.replace('_mode', '')} mode, ${script})`)
  return {
    effect: 'gap',
    code: null,
    message: `Gapless did not start all that PM2 runs under this name: process ${what.join(', ')}`,
    remedy: 'The first deploy starts the app anew, with a short gap. After that there is none.',
  }
}
