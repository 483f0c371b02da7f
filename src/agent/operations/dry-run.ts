/** What a run would do and meet on this server. A dry run writes nothing. */
import { createHash } from 'node:crypto'
import { Failure } from '../../common/failure.ts'
import { formatEntry, type ManifestEntry } from '../../protocol/manifest.ts'
import type { Address } from '../../common/listening-sockets.ts'
import type { Finding, Params, Result } from '../../protocol/messages.ts'
import { isOurs, programOf } from '../activation/workers.ts'
import { interruptedActivation } from '../activation/interrupted.ts'
import { assertNotOvertaken } from '../activation/overtaken.ts'
import { checksOf, type Claim, type Running } from '../pm2/claims.ts'
import { releasesToRemove } from './cleanup.ts'
import { nearestExisting } from '../system/files.ts'
import type { Layout } from '../store/layout.ts'
import { lockHolder } from '../system/lock.ts'
import { assertWhole, fillIn } from '../upload/outline.ts'
import type { Pm2Process } from '../pm2/client.ts'
import { decompress } from '../upload/receive.ts'
import { foreignCurrent, liveRelease, readRuntime } from '../store/releases.ts'
import { lackOfDiskSpace } from '../system/disk-space.ts'
import { layoutOfBase, neighboursOf } from '../store/previews.ts'
import { contentKey, findSources, sourcesIn, type Wanted } from '../store/sources.ts'
import { findMissing, withSources } from '../upload/missing.ts'

/** @throws Failure `base-changed`, `upload-corrupt`, as `stage` does */
export async function compare(
  layout: Layout,
  { base, contentHash, distDir }: Params<'compare'>,
  body: AsyncIterable<Buffer>,
  isPreview = false,
): Promise<Result<'compare'>> {
  const hash = createHash('sha256')
  const entries: ManifestEntry[] = []
  const wanted: Wanted = new Map()
  const from = await layoutOfBase(layout, base, isPreview)
  for await (const { entry, named } of fillIn(from, base, decompress(body))) {
    if (named && entry.kind === 'file') wanted.set(contentKey(entry), null)
    hash.update(formatEntry(entry))
    entries.push(entry)
  }
  assertWhole(hash.digest('hex'), contentHash, base)
  await findSources(layout, wanted, '', isPreview ? await neighboursOf(layout) : [])
  const { missing, need } = await findMissing(withSources(entries, sourcesIn(from, base, wanted)), distDir)
  const lack = await lackOfDiskSpace(nearestExisting(layout.base), need)
  return { missing: missing.format(), lack: lack === null ? null : lack.toRecord() }
}

/** Stands for the release that the deploy would make. */
const NEWER_THAN_ALL = '9'.repeat(14)

export async function dryRun(
  { layout, appName, socket = null }: Pick<Claim, 'layout' | 'appName'> & Pick<Address, 'socket'>,
  { release, run, address, said, keep }: Params<'dryRun'>,
  running: Running,
): Promise<Result<'dryRun'>> {
  const live = await liveRelease(layout)
  const where = address === null ? await readRuntime(layout, release ?? '') : { ...address, socket }
  const claims: (Finding | null)[] = []
  for (const check of checksOf({ layout, appName, address: where, said }, running)) {
    claims.push(await ending(check))
  }
  const own = running.all.filter(({ name }) => name === appName)
  const foreign = own.filter((process) => !isOurs(process, programOf(layout)))
  const findings = [
    waiting(await lockHolder(layout.lock)),
    interrupted(await interruptedActivation(layout)),
    release === null ? await ending(() => assertNotOvertaken(layout, run, live)) : null,
    ...claims,
    replacing(await foreignCurrent(layout)),
    // The run would end before it replaces anything.
    claims.every((finding) => finding === null) ? gap(foreign) : null,
  ]
  return {
    findings: findings.filter((finding) => finding !== null),
    pruned: await releasesToRemove(layout, keep, release ?? NEWER_THAN_ALL),
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
  const remedy = 'A run waits for the lock for at most `lock-timeout`.'
  return { effect: 'waits', code: 'locked', message: `The lock is held by ${holder}.`, remedy }
}

function interrupted(activation: string | null): Finding | null {
  if (activation === null) return null
  const message = 'An earlier run was interrupted after the swap.'
  const remedy = 'A run first finishes that run, or restores the previous release.'
  return { effect: 'recovers', code: null, message, remedy }
}

function replacing(target: string | null): Finding | null {
  if (target === null) return null
  const message = `\`current\` points at "${target}", which Gapless did not deploy.`
  const remedy =
    'A run replaces that link, and restores the link if the first deploy fails. To keep the link, set another `path`.'
  return { effect: 'replaces', code: null, message, remedy }
}

function gap(foreign: readonly Pm2Process[]): Finding | null {
  if (foreign.length === 0) return null
  const what = foreign.map(({ pid, mode, script }) => `${pid} (${mode.replace('_mode', '')} mode, ${script})`)
  const message = `PM2 runs processes under this name that Gapless did not start: ${what.join(', ')}.`
  const remedy = 'The first deploy restarts the app, with a short gap. Later deploys have no gap.'
  return { effect: 'gap', code: null, message, remedy }
}
