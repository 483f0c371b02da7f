/** `pre-activate` and `post-activate`: the user's own commands, the only ones that a shell interprets. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { Failure } from '../../protocol/failure.ts'
import type { Runtime } from '../../protocol/messages.ts'
import { lastLines } from '../candidate.ts'
import { cleanEnvironment } from '../environment.ts'
import { writeFileAtomic } from '../files.ts'

export interface Hook {
  /** The input that it came with. */
  readonly name: 'pre-activate' | 'post-activate'
  readonly commands: string
  /** The release's folder. */
  readonly directory: string
  readonly runtime: Runtime
  /** Where its output goes. A file, because what it leaves running may hold a pipe open for ever. */
  readonly log: string
}

/** A migration may take long; one that waits for an answer that never comes must not hold the lock for ever, in ms. */
const LONGEST_HOOK = 30 * 60_000

/**
 * Runs commands in the release's folder with the release's environment, until the shell has ended: what it
 * started in the background goes on.
 * @returns their output's last lines
 * @throws Failure `hook-failed`
 */
export async function runHook(hook: Hook, timeoutMs = LONGEST_HOOK): Promise<string> {
  const { name, commands, directory, runtime, log } = hook
  const script = `${log}.sh`
  const output = openSync(log, 'w', 0o600)
  try {
    // A file, because every user of the server can read command lines, and what a workflow puts in may be secret.
    await writeFileAtomic(script, `${commands}\n`, 0o600)
    const child = spawn('/bin/sh', ['-e', script], {
      cwd: directory,
      env: { ...cleanEnvironment(), NODE_ENV: 'production', ...runtime.env },
      stdio: ['ignore', output, output],
      // A group of its own, so that one that takes too long can be ended as a whole.
      detached: true,
    })
    const ended = await end(child, timeoutMs)
    const text = lastLines(await readFile(log, 'utf8'))
    if (ended === 'exit code 0') return text
    throw new Failure('hook-failed', `\`${name}\` failed (${ended})`, {
      remedy: 'Its own output says why. It runs in the release’s folder with the release’s `env`.',
      evidence: text,
    })
  } finally {
    closeSync(output)
    await Promise.all([log, script].map((file) => rm(file, { force: true })))
  }
}

function end(child: ChildProcess, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(`not done after ${timeoutMs} ms`)
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
