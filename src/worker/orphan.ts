/**
 * A worker outlives PM2's daemon, which accepted the visitors for it: it does so itself, until workers of another daemon
 * have taken over. All orphans listen through one socket: those of several would reset what waits when they close.
 */
import cluster from 'node:cluster'
import { setTimeout as delay } from 'node:timers/promises'
import type { Address } from '../common/listening-sockets.ts'
import { startTimeOf } from '../common/process-identity.ts'
import { sinceBoot } from '../common/since-boot.ts'
import { readActivation } from './activation-file.ts'
import type { Entrance, FrontDoor } from './front-door.ts'
import { giveSocket } from './pass-socket.ts'
import type { Recorder } from './record.ts'
import { bindOwn, giftOf, type Share, takeFrom } from './share.ts'
import { siblings } from './siblings.ts'

export interface OrphanOptions {
  readonly door: FrontDoor
  readonly address: Address
  /** The app's folder, and that of the workers' records in it. */
  readonly appDirectory: string
  readonly records: string
  readonly record: Recorder
  readonly share: Share
  /** Whether it has closed its door. */
  readonly isDraining: () => boolean
  /** Drains, and ends the process. */
  readonly leave: () => void
}

/** From here on the death of PM2's daemon does not end this process, as Node's and PM2's own code would. */
export function outliveDaemon(options: OrphanOptions): void {
  const { worker } = cluster
  if (worker === undefined) return
  const daemon = { pid: process.ppid, startTime: startTimeOf(process.ppid) }
  options.record.update({ outlives: true })
  worker.once('disconnect', () => {
    // Told to by the daemon; or PM2's code says so before it ends the process (`uncaughtException`, 5.4 to 7).
    if (worker.exitedAfterDisconnect || process.connected) return
    worker.exitedAfterDisconnect = true
    // PM2's metrics end a process that is not connected, and send nothing from one that never was (5.4 to 7).
    Object.assign(process, { connected: undefined })
    if (options.isDraining()) return
    const daemonLives = () => startTimeOf(daemon.pid) === daemon.startTime
    beOrphan(options, daemonLives).catch((error: unknown) => {
      console.error('gapless: The worker cannot serve without the PM2 daemon:', error)
      process.exit(1)
    })
  })
}

/** The daemon keeps every socket that it is given: one is enough, and its workers find it there. In ms. */
const NEXT_GIFT = 3000
/** A daemon that closed the channel and lives on starts another worker in place of this one. In ms. */
const LAST_BREATH = 2000

async function beOrphan(options: OrphanOptions, daemonLives: () => boolean): Promise<void> {
  const { records, record, isDraining, leave } = options
  const since = sinceBoot()
  const beside = siblings(records)
    .filter(({ phase }) => phase === 'open')
    .map(({ pid }) => pid)
  record.update({ orphaned: { since, beside } })
  const leaveAfterwards = async () => {
    await untilTakenOver(options)
    if (!isDraining()) leave()
  }
  // Workers of a new daemon may have bound the port first.
  await Promise.all([listenAgain(options, daemonLives), leaveAfterwards()])
}

async function listenAgain(options: OrphanOptions, daemonLives: () => boolean): Promise<void> {
  // A preview's worker never listened through the daemon.
  if (options.address.socket) return
  const begun = performance.now()
  while (!options.isDraining()) {
    if (await listen(options)) {
      console.error(`gapless: PM2's daemon died. Worker ${process.pid} keeps serving without it.`)
      return
    }
    const waited = performance.now() - begun
    if (waited > LAST_BREATH && daemonLives()) process.exit(0)
    await delay(waited < 200 ? 2 : waited < LAST_BREATH ? 20 : 250)
  }
}

/** @returns whether this one listens now */
async function listen(options: OrphanOptions): Promise<boolean> {
  const { share, records, isDraining } = options
  const entrance = await enter(options)
  if (entrance === null) return false
  share.socket = entrance.socket
  let gave = -Infinity
  giveSocket(giftOf(records, process.pid), () => {
    if (isDraining() || performance.now() - gave < NEXT_GIFT) return null
    gave = performance.now()
    return entrance.socket
  })
  return true
}

/** A worker that has no share of the daemon's socket binds the port anew, or gets what another has bound. */
async function enter({ door, address, share, records }: OrphanOptions): Promise<Entrance | null> {
  if (share.socket !== null) return door.openOn(share.socket)
  const bound = await bindOwn(door, address)
  if (bound !== null) return bound
  const orphans = siblings(records).filter(({ orphaned }) => orphaned !== null)
  const taken = await takeFrom(orphans, records)
  return taken === null ? null : door.openOn(taken)
}

/** Between two looks at the others, in ms. */
const LOOK = 250
/** Workers of the new daemon that come up are waited for, in ms. */
const STABLE = 1000
const LONGEST = 60_000

/** Until workers of a daemon take the traffic, and none of them is still coming up. An activation tells its own time. */
async function untilTakenOver({ records, appDirectory, address, isDraining }: OrphanOptions): Promise<void> {
  let first: number | null = null
  let stable: number | null = null
  while (!isDraining()) {
    const now = performance.now()
    const attached = siblings(records).filter(({ orphaned }) => orphaned === null)
    const serving = attached.some(({ phase, doorPort }) => phase === 'open' && doorPort === address.port)
    const coming = attached.some(({ phase }) => phase === 'booting' || phase === 'proving')
    first = serving ? (first ?? now) : null
    stable = serving && !coming ? (stable ?? now) : null
    const isOver = (stable !== null && now - stable >= STABLE) || (first !== null && now - first >= LONGEST)
    if (isOver && readActivation(appDirectory) === null) return
    await delay(LOOK)
  }
}
