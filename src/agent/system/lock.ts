/**
 * One activation per app at a time.
 *
 * A lock is a numbered file in `.gapless/lock`; the highest number holds. The file names its holder by pid,
 * start time and boot, so a lock whose process is gone is void, and nobody ever removes a lock by hand. To take
 * over, a process creates the next number, which only one process can do; no process removes or replaces a lock
 * that is held.
 */
import { link, mkdir, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { failure } from '../../common/errors/server.ts'
import type { Failure } from '../../common/failure.ts'
import { count, type Guarded, nullable, object, parse, string } from '../../protocol/guards.ts'
import { readIfThere } from './files.ts'
import { startTimeOf } from '../../common/process-identity.ts'
import { bootId, isRunning } from './processes.ts'

const holderGuard = object({
  pid: count,
  startTime: string,
  bootId: string,
  /** The holder in words: the run's URL or "an activation". */
  owner: string,
  activation: nullable(string),
  since: string,
})

const POLL = 200

export interface Lock {
  release(): Promise<void>
}

export interface Waiting {
  /**
   * The activation that needs the lock. If another process holds the lock for the same activation, the wait
   * never ends early: two sessions have resumed one activation, and the working one has the verdict.
   */
  readonly activation?: string
  readonly onWait?: (holder: string) => void
  /** Called while waiting: whether the lock is no longer wanted. */
  readonly giveUp?: () => Promise<boolean>
}

/** Waits up to `timeoutMs` for its holder. @throws Failure `locked`, or `withdrawn` if `giveUp` said so */
export async function takeLock(
  directory: string,
  owner: string,
  timeoutMs: number,
  { activation, onWait, giveUp }: Waiting = {},
): Promise<Lock> {
  const deadline = performance.now() + timeoutMs
  let told = ''
  for (;;) {
    const taken = await tryLock(directory, owner, activation ?? null)
    if ('release' in taken) return taken
    if (taken.words !== told) onWait?.(taken.words)
    told = taken.words
    const itself = activation !== undefined && taken.activation === activation
    if (!itself && (await giveUp?.())) throw withdrawn()
    if (!itself && performance.now() >= deadline) throw failure('locked', { holder: taken.words })
    await delay(POLL)
  }
}

/** Creates the lock's folder where it is missing, and takes the lock. @throws as takeLock does */
export async function lockFolder(
  directory: string,
  owner: string,
  timeoutMs: number,
  waiting?: Waiting,
): Promise<Lock> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  return takeLock(directory, owner, timeoutMs, waiting)
}

/** The run was cancelled before it had started anything that cannot be undone. */
export function withdrawn(): Failure {
  return failure('withdrawn')
}

export async function lockHolder(directory: string): Promise<string | null> {
  return (await currentHolder(directory))?.words ?? null
}

/** Returns the activation that another process holds the lock for, or null. */
export async function lockedFor(directory: string): Promise<string | null> {
  const holder = await currentHolder(directory)
  return holder === null || holder.pid === process.pid ? null : holder.activation
}

interface Holder {
  readonly pid: number
  readonly words: string
  readonly activation: string | null
}

const beginner: Holder = { pid: 0, words: 'a deploy that has just begun', activation: null }

async function tryLock(directory: string, owner: string, activation: string | null): Promise<Lock | Holder> {
  const highest = (await lockNumbers(directory)).at(-1) ?? 0
  const holder = highest > 0 ? await holderOf(directory, highest) : null
  if (holder !== null) return holder

  const mine = highest + 1
  const content = JSON.stringify({
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? '',
    bootId: bootId(),
    owner,
    activation,
    since: new Date().toISOString(),
  })
  if (!(await createNumber(directory, mine, content))) return beginner

  // A process that listed the folder before an older lock was removed may have taken a number below the
  // highest: only the highest counts.
  const numbers = await lockNumbers(directory)
  if (numbers.at(-1) !== mine) {
    await rm(join(directory, `${mine}.json`), { force: true })
    return beginner
  }
  for (const old of numbers) if (old < mine) await rm(join(directory, `${old}.json`), { force: true })
  // Emptying needs no space on a full disk. A removed lock could be mistaken for one that never existed.
  return { release: () => truncate(join(directory, `${mine}.json`)) }
}

/** Creates the file completely, and only if it does not exist. */
async function createNumber(directory: string, number: number, content: string): Promise<boolean> {
  const aside = join(directory, `.${process.pid}-${number}`)
  await writeFile(aside, content, { mode: 0o600 })
  try {
    await link(aside, join(directory, `${number}.json`))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(aside, { force: true })
  }
}

async function lockNumbers(directory: string): Promise<readonly number[]> {
  const names = await readdir(directory).catch(() => [])
  return names
    .flatMap((name) => /^(\d+)\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}

async function currentHolder(directory: string): Promise<Holder | null> {
  const highest = (await lockNumbers(directory)).at(-1)
  return highest === undefined ? null : holderOf(directory, highest)
}

/** Returns the living holder, or null if the lock is released, void or gone. */
async function holderOf(directory: string, number: number): Promise<Holder | null> {
  const text = await readIfThere(join(directory, `${number}.json`))
  if (text === null) return null
  const holder = readHolder(text)
  if (holder === null) return null
  const { pid, startTime, owner, since, activation } = holder
  if (holder.bootId !== bootId() || !isRunning(pid, startTime)) return null
  return { pid, words: `${owner}, since ${since} (process ${pid})`, activation }
}

/** Null where the lock is released, or a power cut lost its content: a lock is created whole, so its holder is gone. */
function readHolder(text: string): Guarded<typeof holderGuard> | null {
  try {
    return parse(holderGuard, text, 'lock')
  } catch {
    return null
  }
}
