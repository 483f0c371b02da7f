/** `pre-activate` and `post-activate`: the user's own commands, the only ones that a shell interprets. */
import { spawn } from 'node:child_process'
import { Failure } from '../../protocol/failure.ts'
import type { Runtime } from '../../protocol/messages.ts'
import { lastLines } from '../candidate.ts'
import { cleanEnvironment } from '../environment.ts'

const KEPT_OUTPUT = 64 * 1024

/**
 * Runs commands in the release's folder with the release's environment.
 * @returns their output's last lines
 * @throws Failure `hook-failed`
 */
export function runHook(
  input: string,
  commands: string,
  directory: string,
  runtime: Runtime,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-e', '-c', commands], {
      cwd: directory,
      env: { ...cleanEnvironment(), NODE_ENV: 'production', ...runtime.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const keep = (chunk: Buffer) => (output = (output + chunk.toString('utf8')).slice(-KEPT_OUTPUT))
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.once('error', (cause) =>
      reject(new Failure('hook-failed', `\`${input}\` could not be started`, { cause })),
    )
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(lastLines(output))
      reject(
        new Failure('hook-failed', `\`${input}\` failed (${signal ?? `exit code ${code}`})`, {
          remedy: 'Its own output says why. It runs in the release’s folder with the release’s `env`.',
          evidence: lastLines(output),
        }),
      )
    })
  })
}
