/**
 * What the app's first deploy replaces, which Gapless did not make: where `current` pointed, and what PM2 ran under the
 * app's name. Written down before the swap, so that whoever finishes the activation can put it back.
 */
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { failure } from '../../common/errors/activation.ts'
import { addressesOf, isRunningUnder } from '../pm2/apps.ts'
import { writeFileAtomic } from '../system/files.ts'
import type { Layout } from '../store/layout.ts'
import type { Pm2, Pm2Process } from '../pm2/client.ts'
import { foreignCurrent, pointCurrentBack } from '../store/releases.ts'
import type { Address } from '../../common/listening-sockets.ts'
import { acceptsConnections, formatAddress } from '../system/sockets.ts'

export interface Replaced {
  /** The target of the link, as the link says it; null where it is a release of ours, or there is no link. */
  readonly current: string | null
  readonly processes: readonly Pm2Process[]
  /** Whether workers of ours ran as well. */
  readonly besideOurs: boolean
  /** Where they listened, as far as that can be told. */
  readonly addresses: readonly Address[]
}

/** @param processes of the app's name: those that Gapless started, and the others */
export async function lookAtReplaced(
  layout: Layout,
  { ours, foreign }: { readonly ours: readonly Pm2Process[]; readonly foreign: readonly Pm2Process[] },
  running: { readonly all: readonly Pm2Process[]; readonly daemon: number | null },
): Promise<Replaced> {
  const [current, addresses] = await Promise.all([foreignCurrent(layout), addressesOf(foreign, running)])
  return { current, processes: foreign, besideOurs: ours.some(isRunningUnder), addresses }
}

export function replacesNothing({ current, processes }: Replaced): boolean {
  return current === null && processes.length === 0
}

/** What an activation wrote down that has come to no verdict since; else null. */
export function readReplaced({ replaced }: Layout): Replaced | null {
  try {
    return JSON.parse(readFileSync(replaced, 'utf8')) as Replaced
  } catch {
    return null
  }
}

export async function writeReplaced({ replaced }: Layout, content: Replaced): Promise<void> {
  if (replacesNothing(content)) return rm(replaced, { force: true })
  // It holds the environment of the processes.
  await writeFileAtomic(replaced, JSON.stringify(content), 0o600)
}

export async function forgetReplaced({ replaced }: Layout): Promise<void> {
  await rm(replaced, { force: true })
}

/** How long an app may take until it listens again, in ms. */
const PATIENCE = 60_000
const LOOK = 200
/** Looks in a row that must find the same processes. */
const STEADY = 10

interface Tools {
  readonly layout: Layout
  readonly pm2: Pick<Pm2, 'list' | 'revive'>
  readonly appName: string
  withReserve<T>(act: () => Promise<T>): Promise<T>
}

/**
 * Puts all of it back, and looks whether it serves.
 * @returns what was seen
 * @throws Failure `restore-failed`
 */
export async function putBack(
  { layout, pm2, appName, withReserve }: Tools,
  { current, processes, addresses }: Replaced,
  patienceMs = PATIENCE,
): Promise<string> {
  const seen: string[] = []
  if (current !== null) {
    await withReserve(() => pointCurrentBack(layout, current))
    seen.push(`current -> ${current} again`)
  }
  const complaints: string[] = []
  for (const process of processes) {
    await pm2.revive(process).catch((error: unknown) => complaints.push((error as Error).message))
  }
  const expected = processes.filter(isRunningUnder).length
  if (expected > 0) {
    const problem = await untilRunning(() => pm2.list(appName), expected, addresses, patienceMs)
    if (problem !== null) {
      throw failure('restore-failed: other app', { problem: [problem, ...complaints].join('; ') })
    }
    const where = addresses.length > 0 ? `, and accepts connections on ${listOf(addresses)}` : ''
    seen.push(`what PM2 ran before under the name "${appName}" was started again${where}`)
  }
  return seen.join('; ')
}

/** @returns what is wrong, once there is no more time; null where all is well */
async function untilRunning(
  list: () => Promise<readonly Pm2Process[]>,
  expected: number,
  addresses: readonly Address[],
  patienceMs: number,
): Promise<string | null> {
  const deadline = performance.now() + patienceMs
  let before = ''
  for (let steady = 0; steady < STEADY;) {
    const running = (await list()).filter(({ status }) => status === 'online')
    const silent: Address[] = []
    for (const address of addresses) if (!(await acceptsConnections(address))) silent.push(address)
    const pids = running.map(({ pid }) => pid).join(' ')
    const well = running.length >= expected && silent.length === 0
    steady = well && pids === before ? steady + 1 : 0
    before = pids
    if (steady < STEADY && performance.now() >= deadline) {
      if (running.length < expected) return `PM2 keeps ${running.length} of ${expected} processes online`
      if (silent.length > 0) return `nothing accepts connections on ${listOf(silent)}`
      return 'its processes restart again and again'
    }
    await delay(LOOK)
  }
  return null
}

export function listOf(addresses: readonly Address[]): string {
  return [...new Set(addresses.map(formatAddress))].join(', ')
}
