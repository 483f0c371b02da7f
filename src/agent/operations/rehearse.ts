/** What a run would do and meet on this server, for a dry run: it looks, and writes nothing. */
import { createHash } from 'node:crypto'
import { Failure } from '../../common/failure.ts'
import { formatEntry, type ManifestEntry } from '../../protocol/manifest.ts'
import type { Finding, Params, Result } from '../../protocol/messages.ts'
import { isOurs, programOf } from '../activation/workers.ts'
import { interruptedActivation } from '../activation/interrupted.ts'
import { assertNotOvertaken } from '../activation/overtaken.ts'
import { checksOf, type Claim, type Running } from '../pm2/claims.ts'
import { foreseeCleanUp } from './cleanup.ts'
import { nearestExisting } from '../system/files.ts'
import type { Layout } from '../store/layout.ts'
import { lockHolder } from '../system/lock.ts'
import { baseChanged, fillIn } from '../upload/outline.ts'
import type { Pm2Process } from '../pm2/client.ts'
import { decompress } from '../upload/receive.ts'
import { foreignCurrent, liveRelease, readRuntime } from '../store/releases.ts'
import { lackOfRoom } from '../system/room.ts'
import { contentKey, locate, sourcesIn, type Wanted } from '../store/sources.ts'
import { look, toPlace } from '../upload/survey.ts'
import { nextId } from '../upload/upload.ts'

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

export async function rehearse(
  { layout, appName }: Pick<Claim, 'layout' | 'appName'>,
  { release, run, address, said, keep }: Params<'rehearse'>,
  running: Running,
): Promise<Result<'rehearse'>> {
  const live = await liveRelease(layout)
  const where = address ?? (await readRuntime(layout, release ?? ''))
  const claims: (Finding | null)[] = []
  for (const check of checksOf({ layout, appName, address: where, said }, running)) {
    claims.push(await ending(check))
  }
  const foreign = running.all.filter(
    (process) => process.name === appName && !isOurs(process, programOf(layout)),
  )
  const findings = [
    waiting(await lockHolder(layout.lock)),
    interrupted(await interruptedActivation(layout)),
    release === null ? await ending(() => assertNotOvertaken(layout, run, live)) : null,
    ...claims,
    replacing(await foreignCurrent(layout)),
    // It would not come to that where the run ends before.
    claims.every((finding) => finding === null) ? gap(foreign) : null,
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
  const message = `The lock is held by ${holder}.`
  return {
    effect: 'waits',
    code: 'locked',
    message,
    remedy: 'A run waits for the lock for at most `lock-timeout`.',
  }
}

function interrupted(activation: string | null): Finding | null {
  if (activation === null) return null
  const message = 'An earlier run was interrupted after the swap.'
  return {
    effect: 'recovers',
    code: null,
    message,
    remedy: 'A run first finishes that run, or restores the previous release.',
  }
}

function replacing(target: string | null): Finding | null {
  if (target === null) return null
  return {
    effect: 'replaces',
    code: null,
    message: `\`current\` points at "${target}", which Gapless did not deploy.`,
    remedy:
      'A run replaces that link, and restores the link if the first deploy fails. To keep the link, set another `path`.',
  }
}

function gap(foreign: readonly Pm2Process[]): Finding | null {
  if (foreign.length === 0) return null
  const what = foreign.map(({ pid, mode, script }) => `${pid} (${mode.replace('_mode', '')} mode, ${script})`)
  return {
    effect: 'gap',
    code: null,
    message: `PM2 runs processes under this name that Gapless did not start: ${what.join(', ')}.`,
    remedy: 'The first deploy restarts the app, with a short gap. Later deploys have no gap.',
  }
}
