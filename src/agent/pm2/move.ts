/**
 * PM2's daemon keeps the Node that it was started on, and starts every worker on it. Where `setup` has brought another
 * since, a deploy ends the daemon: its workers go on serving, and those of the next daemon take over.
 */
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { layoutOf } from '../store/layout.ts'
import { expandHome } from '../system/environment.ts'
import { writeFileAtomic } from '../system/files.ts'
import { lockHolder } from '../system/lock.ts'
import { executableOf } from '../system/processes.ts'
import { broughtNode, isBrought, type NodeVersion, versionOfNode } from '../system/runtime.ts'
import { folderOf, isRunningUnder, isSameFolder } from './apps.ts'
import type { Pm2, Pm2Process } from './client.ts'
import { readWorkers } from './workers.ts'

export interface NodeMove extends NodeVersion {
  /** The Node that setup brought last. */
  readonly node: string
  /** The version that the daemon runs on. */
  readonly from: string
}

/**
 * Whether the daemon should run on the Node that setup brought last.
 * @param binPath folders that the user named: a Node in them is meant
 */
export function nodeMove(daemon: number | null, binPath: readonly string[]): NodeMove | null {
  const node = broughtNode()
  const exe = daemon === null ? null : executableOf(daemon)
  if (node === null || exe === null || exe === node) return null
  const named = binPath.map((folder) => join(expandHome(folder), 'node'))
  if (named.some((file) => existsSync(file))) return null
  const [now, next] = [versionOfNode(exe), versionOfNode(node)]
  if (now === null || next === null) return null
  // A newer one that somebody else installed is no worse. Of setup's own the last counts, also where it is older.
  if (!isBrought(exe) && !isNewer(next.version, now.version)) return null
  return { ...next, node, from: now.version }
}

/** What the daemon runs that a move would harm, as the rest of a sentence; null: nothing. @param own the app's folder */
export async function whyNotMove(all: readonly Pm2Process[], own: string): Promise<string | null> {
  for (const { name, pid, script } of all.filter(isRunningUnder)) {
    const folder = folderOf({ script })
    if (folder === null) return `PM2 also runs "${name}", which Gapless did not deploy`
    const layout = layoutOf(folder)
    const record = (await readWorkers(layout.workers)).find((worker) => worker.pid === pid)
    if (record?.outlives !== true) return `a worker of "${name}" would not outlive PM2's daemon`
    if (!isSameFolder(folder, own) && (await lockHolder(layout.lock)) !== null)
      return `"${name}" is being deployed`
  }
  return null
}

/**
 * Leaves word of the apps that the daemon runs, before it is ended.
 * @param others processes of apps that no activation starts again
 */
export async function rememberOthers(home: string, others: readonly Pm2Process[]): Promise<void> {
  // It holds the environment of the processes.
  await writeFileAtomic(waitingIn(home), JSON.stringify(others), 0o600)
}

/** Starts the other apps that an ended daemon ran and that PM2 does not list yet, whoever ended it. */
export async function startOthers(home: string, pm2: Pick<Pm2, 'all' | 'revive'>): Promise<void> {
  const waiting = await readFile(waitingIn(home), 'utf8').then(
    (text) => JSON.parse(text) as readonly Pm2Process[],
    () => null,
  )
  if (waiting === null) return
  const listed = new Set((await pm2.all()).map(({ name }) => name))
  for (const process of waiting) if (!listed.has(process.name)) await pm2.revive(process)
  await rm(waitingIn(home), { force: true })
}

function waitingIn(home: string): string {
  return join(home, 'gapless-waiting.json')
}

function isNewer(one: string, other: string): boolean {
  const [a, b] = [one, other].map((version) => version.split('.').map(Number))
  const at = a!.findIndex((part, index) => part !== b![index])
  return at >= 0 && a![at]! > b![at]!
}
