/** Previews: what they need, and how they are removed with all that belongs to them. */
import { lstatSync } from 'node:fs'
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { failure } from '../../common/errors/preview.ts'
import { formatBytes } from '../../common/format.ts'
import { startTimeOf } from '../../common/process-identity.ts'
import { PREVIEW_NAME } from '../../protocol/preview-name.ts'
import type { Params, PrunedPreview, Result } from '../../protocol/messages.ts'
import { availableMemory } from '../activation/memory.ts'
import { folderOf, isSameFolder } from '../pm2/apps.ts'
import { type Claim, previewChecks, type Running } from '../pm2/claims.ts'
import type { Pm2, Pm2Process } from '../pm2/client.ts'
import { readWorkers } from '../pm2/workers.ts'
import type { Layout } from '../store/layout.ts'
import { appOf, hasOwnFolder, lastDeployed, previewsOf, socketOf } from '../store/previews.ts'
import { liveRelease } from '../store/releases.ts'
import { exists, writeFileAtomic } from '../system/files.ts'
import { lockFolder } from '../system/lock.ts'
import { isRunning, signal, withDescendants } from '../system/processes.ts'
import { proxyObstacle } from '../system/proxy-access.ts'

type App = Pick<Claim, 'layout' | 'appName'>

/** PM2, where its daemon runs, and its home. */
export interface Pm2Access {
  readonly home: string
  /** Calls `act` with null where no daemon runs. */
  with<T>(act: (pm2: Pm2 | null) => Promise<T>): Promise<T>
}

/** @throws Failure `preview-unusable`, `app-name-taken`, `path-taken`, `memory-low` */
export async function preparePreview(
  { layout, appName }: App,
  { memoryBytes }: Params<'preparePreview'>,
  { all, daemon }: Running,
): Promise<Result<'preparePreview'>> {
  const processes = all.filter(({ name }) => name === appName)
  for (const check of previewChecks({ layout, appName }, processes, all)) await check()
  // What the preview uses already is its own.
  const used = processes.reduce((sum, process) => sum + process.memoryBytes, 0)
  const available = availableMemory(daemon) + used
  if (available < memoryBytes) {
    throw failure('memory-low', { needed: formatBytes(memoryBytes), available: formatBytes(available) })
  }
  const owner = await stat(appOf(layout).current).catch(() => null)
  return { sharesUser: owner?.uid === process.getuid?.(), unreachable: proxyObstacle(socketOf(layout)) }
}

/** Never waits for a preview that is being deployed. */
export async function prunePreviews(
  layout: Layout,
  { ttlMs, limit }: Params<'prunePreviews'>,
  pm2: Pm2Access,
  alive: () => void,
): Promise<Result<'prunePreviews'>> {
  const app = appOf(layout)
  await removeRemains(dirname(layout.base))
  const others = (await previewsOf(app)).filter(({ base }) => base !== layout.base)
  const dated = await Promise.all(others.map(async (other) => ({ other, at: await lastDeployed(other) })))
  const newestFirst = dated.toSorted((a, b) => b.at - a.at)
  const removed: PrunedPreview[] = []
  let kept = (await exists(layout.base)) ? 1 : 0
  for (const { other, at } of newestFirst) {
    const reason = Date.now() - at > ttlMs ? 'ttl' : limit !== null && kept >= limit ? 'limit' : null
    if (reason === null) {
      kept += 1
      continue
    }
    const problem = await removePreview(other, { lockTimeoutMs: 0, dryRun: false }, pm2).then(
      () => null,
      (error: unknown) => (error as Error).message,
    )
    removed.push({ name: basename(other.base), reason, deployed: new Date(at).toISOString(), problem })
    alive()
  }
  return { removed }
}

/** How long a worker may finish its requests, in ms: nobody deploys the preview again. */
const GRACE = 3000

/** @throws Failure `locked`, `preview-unusable` */
export async function removePreview(
  layout: Layout,
  { lockTimeoutMs, dryRun }: Params<'removePreview'>,
  pm2: Pm2Access,
): Promise<Result<'removePreview'>> {
  const { base } = layout
  if (basename(dirname(base)) !== 'previews' || !PREVIEW_NAME.test(basename(base)))
    throw new Error(`${base} is no preview`)
  const hasFolder = hasOwnFolder(layout)
  return pm2.with(async (daemon) => {
    const find = async () => ((await daemon?.all()) ?? []).filter((process) => isOf(process, base))
    const release = hasFolder ? await liveRelease(layout).catch(() => null) : null
    const found = hasFolder || (await find()).length > 0
    if (dryRun || !found) {
      if (!dryRun) await removeSocket(layout)
      return { release, found }
    }
    // It goes with the folder.
    if (hasFolder) await lockFolder(layout.lock, 'the removal of this preview', lockTimeoutMs)
    await removeSocket(layout)
    const processes = await find()
    const records = await readWorkers(layout.workers)
    const pids = withDescendants([...processes, ...records].map(({ pid }) => pid).filter((pid) => pid > 0))
    const running = pids.map((pid) => ({ pid, startTime: startTimeOf(pid) ?? '' }))
    const removals = processes.map(({ id }) => daemon!.remove(id))
    // Those that outlived PM2's daemon.
    const unlisted = records.filter(({ pid }) => !processes.some((process) => process.pid === pid))
    for (const { pid } of unlisted) signal(pid, 'SIGINT')
    const gone = Promise.all(removals)
    await Promise.race([gone.catch(() => undefined).then(() => ended(running, GRACE)), delay(GRACE)])
    for (const { pid, startTime } of running) if (isRunning(pid, startTime)) signal(pid, 'SIGKILL')
    await gone
    await ended(running, GRACE)
    await forgetDump(pm2.home, base)
    await removeLogs(pm2.home, processes)
    await removeFolder(base)
    return { release, found }
  })
}

function isOf(process: Pick<Pm2Process, 'script'>, base: string): boolean {
  const folder = folderOf(process)
  return folder !== null && isSameFolder(folder, base)
}

async function removeSocket(layout: Layout): Promise<void> {
  const socket = socketOf(layout)
  if (lstatSync(socket, { throwIfNoEntry: false })?.isSocket() === true) await rm(socket, { force: true })
}

const POLL = 50

async function ended(
  processes: readonly { readonly pid: number; readonly startTime: string }[],
  limitMs: number,
): Promise<void> {
  for (let waited = 0; waited < limitMs; waited += POLL) {
    if (!processes.some(({ pid, startTime }) => isRunning(pid, startTime))) return
    await delay(POLL)
  }
}

/** At the next boot PM2 starts what its dump names. */
async function forgetDump(home: string, base: string): Promise<void> {
  const file = join(home, 'dump.pm2')
  const dump = await readDump(file)
  const others = dump.filter(({ pm_exec_path: script = '' }) => !isOf({ script: String(script) }, base))
  if (others.length < dump.length) await writeFileAtomic(file, JSON.stringify(others, null, 2), 0o600)
}

async function readDump(file: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  try {
    const dump: unknown = JSON.parse(await readFile(file, 'utf8'))
    return Array.isArray(dump) ? dump : []
  } catch {
    return []
  }
}

/** Only those that PM2 named itself: an app of the same name has none, as it would be the same app. */
async function removeLogs(home: string, processes: readonly Pm2Process[]): Promise<void> {
  const files = processes.flatMap(({ outLog, errorLog }) => [outLog, errorLog])
  const own = files.filter((file) => dirname(file) === join(home, 'logs'))
  for (const file of own) await rm(file, { force: true })
}

const REMAINS = /^\.[a-z0-9-]+\.removed\.\d+$/

/** In one step: what is only half there would be taken for a preview. */
async function removeFolder(base: string): Promise<void> {
  if (!(await exists(base))) return
  const grave = join(dirname(base), `.${basename(base)}.removed.${process.pid}`)
  await rename(base, grave)
  await rm(grave, { recursive: true, force: true, maxRetries: 3 })
}

/** Of removals that died. */
async function removeRemains(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (REMAINS.test(name))
      await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined)
  }
}
