/**
 * A worker outlives PM2's daemon, which bound the public port: it listens there itself, until workers of another daemon
 * have taken over. All orphans listen through one socket: those of several would reset what waits when they close.
 */
import cluster from 'node:cluster'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Address } from '../common/listening-sockets.ts'
import { startTimeOf } from '../common/process-identity.ts'
import { sinceBoot } from '../common/since-boot.ts'
import { readActivation } from './activation-file.ts'
import type { FrontDoor } from './front-door.ts'
import { giveSocket, takeSocket } from './pass-socket.ts'
import type { Recorder } from './record.ts'
import { siblings } from './siblings.ts'
import type { WorkerRecord } from './worker-record.ts'

export interface OrphanOptions {
  readonly door: FrontDoor
  readonly address: Address
  /** The app's folder, and that of the workers' records in it. */
  readonly appDirectory: string
  readonly records: string
  readonly record: Recorder
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

/** Where orphans get the socket from each other. */
export function shareOf(records: string, pid: number): string {
  return join(records, `${pid}.share`)
}

/** Where the workers of a new daemon get it from an orphan. */
export function giftOf(records: string, pid: number): string {
  return join(records, `${pid}.gift`)
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

/** The first orphan binds the port, and the others get its socket. @returns whether this one listens now */
async function listen({ door, address, records, isDraining }: OrphanOptions): Promise<boolean> {
  // In a cluster worker `exclusive` is a socket of its own.
  const bound = await door
    .open((server) => server.listen({ ...address, exclusive: true }))
    .then(
      () => true,
      () => false,
    )
  let taken = false
  if (!bound) {
    taken = await takeFrom(
      siblings(records).filter(({ orphaned }) => orphaned !== null),
      door,
      records,
    )
  }
  const socket = bound || taken ? door.socket() : null
  if (socket === null) return false
  let gave = -Infinity
  giveSocket(shareOf(records, process.pid), socket, () => !isDraining())
  giveSocket(giftOf(records, process.pid), socket, () => {
    if (isDraining() || performance.now() - gave < NEXT_GIFT) return false
    gave = performance.now()
    return true
  })
  return true
}

/** Listens through the socket of the first that gives it. @returns whether one did */
export async function takeFrom(
  others: readonly Pick<WorkerRecord, 'pid'>[],
  door: FrontDoor,
  records: string,
): Promise<boolean> {
  for (const { pid } of others) {
    const socket = await takeSocket(shareOf(records, pid))
    if (socket === null) continue
    await door.openOn(socket)
    return true
  }
  return false
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
