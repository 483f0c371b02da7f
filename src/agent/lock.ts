/**
 * One activation per app at a time.
 *
 * A lock is a numbered file in `.gapless/lock`; the highest number holds. It names its holder by pid, start
 * time and boot, so a lock whose process is gone is void by itself and nobody ever removes one by hand. To take
 * over, a process creates the next number, which only one can; it never removes or replaces a live one.
 */
import { link, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../protocol/failure.ts'
import { count, type Guarded, object, parse, string } from '../protocol/guards.ts'
import { readIfThere } from './files.ts'
import { startTimeOf } from '../server/process-identity.ts'
import { bootId, isRunning } from './processes.ts'

const holderGuard = object({
  pid: count,
  startTime: string,
  bootId: string,
  /** Who, for people: the run's URL or "an activation". */
  owner: string,
  since: string,
})

const POLL = 200

export interface Lock {
  release(): Promise<void>
}

export interface Waiting {
  /** Called once per holder that it waits for. */
  readonly onWait?: (holder: string) => void
  /** Asked while it waits: whether the lock is wanted no more. */
  readonly giveUp?: () => Promise<boolean>
}

/**
 * Takes the lock, waiting up to `timeoutMs` for its holder.
 * @throws Failure `locked`, or `withdrawn` if it gave up
 */
export async function takeLock(
  directory: string,
  owner: string,
  timeoutMs: number,
  { onWait, giveUp }: Waiting = {},
): Promise<Lock> {
  const deadline = performance.now() + timeoutMs
  let told = ''
  for (;;) {
    const taken = await tryLock(directory, owner)
    if (typeof taken !== 'string') return taken
    if (taken !== told) onWait?.(taken)
    told = taken
    if (await giveUp?.()) throw withdrawn()
    if (performance.now() >= deadline) {
      throw new Failure('locked', `another deploy of this app is still running: ${taken}`, {
        remedy: 'Wait for it, or raise `lock-timeout`. A lock whose process is gone is void by itself.',
      })
    }
    await delay(POLL)
  }
}

/** The run was cancelled before it had begun anything that cannot be taken back. */
export function withdrawn(): Failure {
  return new Failure('withdrawn', 'the run was cancelled before anything live was touched', {
    remedy: 'Run it again.',
  })
}

/** Who holds the lock, in words, or null. */
export async function lockHolder(directory: string): Promise<string | null> {
  const numbers = await lockNumbers(directory)
  const highest = numbers.at(-1)
  return highest === undefined ? null : holderOf(directory, highest)
}

/** @returns the lock, or who holds it */
async function tryLock(directory: string, owner: string): Promise<Lock | string> {
  const highest = (await lockNumbers(directory)).at(-1) ?? 0
  const holder = highest > 0 ? await holderOf(directory, highest) : null
  if (holder !== null) return holder

  const mine = highest + 1
  const content = JSON.stringify({
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? '',
    bootId: bootId(),
    owner,
    since: new Date().toISOString(),
  })
  if (!(await createNumber(directory, mine, content))) return 'a deploy that has just begun'

  // Someone who read the folder before an older lock was removed may have taken a lower number than the
  // highest: only the highest counts.
  const numbers = await lockNumbers(directory)
  if (numbers.at(-1) !== mine) {
    await rm(join(directory, `${mine}.json`), { force: true })
    return 'a deploy that has just begun'
  }
  for (const old of numbers) if (old < mine) await rm(join(directory, `${old}.json`), { force: true })
  // An empty one names nobody, and needs no room on a full disk. Removed it could be taken for one that never was.
  return { release: () => truncate(join(directory, `${mine}.json`)) }
}

/** Creates the file whole or not at all, and only if it is not there. */
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

/** The live holder in words, or null if the lock is released, void or gone. */
async function holderOf(directory: string, number: number): Promise<string | null> {
  const text = await readIfThere(join(directory, `${number}.json`))
  if (text === null) return null
  const holder = readHolder(text)
  if (holder === null) return null
  const live = holder.bootId === bootId() && isRunning(holder.pid, holder.startTime)
  return live ? `${holder.owner}, since ${holder.since} (process ${holder.pid})` : null
}

/** Null where it is released, or a power cut lost the content: a lock is created whole, so its holder is gone. */
function readHolder(text: string): Guarded<typeof holderGuard> | null {
  try {
    return parse(holderGuard, text, 'lock')
  } catch {
    return null
  }
}
