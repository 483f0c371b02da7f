/** `pre-activate` and `post-activate`: the user's own commands, the only ones that a shell interprets. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { failure } from '../../common/errors/activation.ts'
import { formatDuration } from '../../common/format.ts'
import type { Runtime } from '../../protocol/messages.ts'
import { lastLines } from './evidence.ts'
import { cleanEnvironment } from '../system/environment.ts'
import { writeFileAtomic } from '../system/files.ts'
import type { Layout } from '../store/layout.ts'
import { type Waiting, withdrawn } from '../system/lock.ts'
import { killOwnersGroup, ownerAge, writeOwner } from '../system/owner.ts'

export interface Hook {
  /** The input that it came with. */
  readonly name: 'pre-activate' | 'post-activate'
  readonly commands: string
  /** The release's folder. */
  readonly directory: string
  readonly runtime: Runtime
  /** Where its output goes. A file, because what it leaves running may hold a pipe open for ever. */
  readonly log: string
  /** Says which process it is as long as it runs: see `untilHooksEnded`. */
  readonly owner: string
}

const HOOK_OWNER = '.hook-owner'

/** A migration may take long; one that waits for an answer that never comes must not hold the lock for ever, in ms. */
export const LONGEST_HOOK = 30 * 60_000

/**
 * Runs commands in the release's folder with the release's environment, until the shell has ended: what it
 * started in the background goes on.
 * @returns their output's last lines
 * @throws Failure `hook-failed`
 */
export async function runHook(hook: Hook, timeoutMs = LONGEST_HOOK): Promise<string> {
  const { name, commands, directory, runtime, log, owner } = hook
  const script = `${log}.sh`
  const output = openSync(log, 'w', 0o600)
  try {
    // A file, because every user of the server can read command lines, and what a workflow puts in may be secret.
    await writeFileAtomic(script, `${commands}\n`, 0o600)
    // It begins when it is told to, and whoever told it has written down which process it is.
    const child = spawn('/bin/sh', ['-c', 'read -r go && exec /bin/sh -e "$0" </dev/null', script], {
      cwd: directory,
      env: { ...cleanEnvironment(), NODE_ENV: 'production', ...runtime.env },
      stdio: ['pipe', output, output],
      // A group of its own, so that one that takes too long can be ended as a whole.
      detached: true,
    })
    const ending = end(child, timeoutMs)
    await begin(child, owner)
    const ended = await ending
    const text = lastLines(await readFile(log, 'utf8'))
    if (ended === 'exit code 0') return text
    throw failure('hook-failed', { hook: name, ending: ended }, { evidence: text })
  } finally {
    closeSync(output)
    await Promise.all([log, script, owner].map((file) => rm(file, { force: true })))
  }
}

async function begin({ pid, stdin }: ChildProcess, owner: string): Promise<void> {
  // It may have ended already: then that is what there is to tell.
  stdin?.on('error', () => undefined)
  if (pid === undefined) return
  try {
    await writeOwner(owner, pid)
    stdin?.end('go\n')
  } catch (error) {
    stdin?.end()
    throw error
  }
}

const POLL = 100

/**
 * A hook outlives an activation that was killed, and the lock is void then: a migration must have ended before it is
 * run again, and before another activation goes on. For the holder of the lock.
 * @param onWait called with each activation whose hook is waited for
 * @param giveUp asked while it waits
 * @throws Failure `withdrawn` if it gave up
 */
export async function untilHooksEnded(
  { activations }: Layout,
  { onWait, giveUp }: Required<Pick<Waiting, 'onWait' | 'giveUp'>>,
  timeoutMs = LONGEST_HOOK,
): Promise<void> {
  const names = (await readdir(activations).catch(() => [])).filter((name) => name.endsWith(HOOK_OWNER))
  for (const name of names) {
    const file = join(activations, name)
    if (ownerAge(file) === null) continue
    onWait(name.slice(0, -HOOK_OWNER.length))
    // What it may take is counted from its beginning, as if the activation that it belongs to lived.
    for (let age = ownerAge(file); age !== null; age = ownerAge(file)) {
      if (await giveUp()) throw withdrawn()
      if (age >= timeoutMs) killOwnersGroup(file)
      await delay(POLL)
    }
  }
}

function end(child: ChildProcess, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(`it did not end within ${formatDuration(timeoutMs)}`)
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }, timeoutMs)
    const settle = (how: string) => {
      clearTimeout(timer)
      resolve(how)
    }
    child.once('error', ({ message }) => settle(`could not be started: ${message}`))
    child.once('exit', (code, signal) => settle(signal === null ? `exit code ${code}` : `signal ${signal}`))
  })
}
