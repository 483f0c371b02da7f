/**
 * Starts PM2's daemon once at a time. Two PM2 clients that look at the same moment start one daemon each, and
 * the second never answers its client (5.4 to 7).
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { failure } from '../../common/errors/server.ts'
import { Failure } from '../../common/failure.ts'
import { ageOf, startTimeOf } from '../../common/process-identity.ts'
import { writeFileAtomic } from '../system/files.ts'
import { type Lock, lockFolder } from '../system/lock.ts'
import { daemonPid, isDaemonFor, namedIn } from './daemon.ts'
import { kill, pids, withDescendants } from '../system/processes.ts'

/** Longer than another agent holds the lock, in ms. */
const LOCK_TIMEOUT = 90_000
/** A daemon without a socket after this time will not get one, in ms. */
const START = 10_000
const LOOK = 100

/** Calls `act`, which may start the daemon, while no other agent does. */
export async function startingAlone<T>(home: string, act: () => Promise<T>): Promise<T> {
  const lock = await lockOf(home)
  try {
    await untilOthersStarted(home)
    return await act()
  } finally {
    await lock?.release().catch(() => undefined)
  }
}

async function lockOf(home: string): Promise<Lock | null> {
  const directory = join(home, 'gapless-lock')
  try {
    return await lockFolder(directory, 'a start of the PM2 daemon', LOCK_TIMEOUT)
  } catch (error) {
    if (Failure.from(error).code === 'locked') {
      throw failure('pm2-failed: starting', { home })
    }
    // On a full disk an app that is down matters more than a second daemon.
    return null
  }
}

/** Another tool may be starting a daemon, such as `pm2 resurrect` after a reboot. */
async function untilOthersStarted(home: string): Promise<void> {
  const isStarting = (pid: number) => isDaemonFor(pid, home) && ageOf(startTimeOf(pid) ?? '0') < START
  while ((await daemonPid(home)) === null && pids().some(isStarting)) await delay(LOOK)
}

/**
 * Waits for PM2 to connect.
 * @throws Failure `pm2-failed` when PM2 started a daemon although another daemon has the socket; kills the new
 * one
 */
export async function unlessMute(home: string, connected: Promise<void>): Promise<void> {
  let over = false
  const watch = async () => {
    while (!over) {
      await endMute(home)
      await delay(LOOK)
    }
  }
  try {
    await Promise.race([connected, watch()])
  } finally {
    over = true
  }
  await endMute(home)
}

async function endMute(home: string): Promise<void> {
  const own = withDescendants([process.pid]).filter((pid) => isDaemonFor(pid, home))
  const holder = own.length === 0 ? null : await daemonPid(home)
  const mute = holder === null ? [] : own.filter((pid) => pid !== holder)
  if (mute.length === 0) return
  // SIGTERM would make it remove the other daemon's pid file. The next try would mistake a daemon that is still exiting
  // for another.
  await kill(mute)
  throw failure('pm2-failed: second daemon', { daemon: String(holder) })
}

/** `pm2 kill`, systemd and others use the pid file. */
export async function mendPidFile(home: string, daemon: number): Promise<void> {
  if (namedIn(home) === daemon) return
  await writeFileAtomic(join(home, 'pm2.pid'), String(daemon), 0o644).catch(() => undefined)
}
