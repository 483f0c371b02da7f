import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { runHook } from '../../../src/agent/activation/hooks.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'
import { runtimeWith } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const started: number[] = []
afterEach(() => {
  for (const pid of started.splice(0)) process.kill(pid, 'SIGKILL')
})

function hookOf(commands: string) {
  const directory = folder()
  const runtime = runtimeWith({ env: { GREETING: 'hello' } })
  return { name: 'post-activate', commands, directory, runtime, log: join(directory, 'hook.log') } as const
}

describe('a hook', () => {
  test('runs in the release’s folder with its environment, and tells what it printed', async () => {
    const hook = hookOf('pwd; echo "$GREETING $NODE_ENV"; echo aside >&2')
    expect(await runHook(hook)).toBe(`${hook.directory}\nhello production\naside`)
    expect(existsSync(hook.log)).toBe(false)
  })

  test('fails with the first command that does, and with what it said', async () => {
    const hook = hookOf('echo before; false; echo after')
    expect(await failureOf(runHook(hook))).toMatchObject({
      code: 'hook-failed',
      message: '`post-activate` failed (exit code 1)',
      evidence: 'before',
    })
  })

  test('shows no word of its commands to other users, who may read every command line', async () => {
    const hook = hookOf('TOKEN=hunter2-of-the-workflow; tr "\\0" " " < /proc/$$/cmdline; ls -l *.sh')
    const output = await runHook(hook)
    expect(output).toMatch(/^\/bin\/sh -e \S+ -rw-------/)
    expect(output).not.toContain('hunter2')
    expect(readdirSync(hook.directory)).toEqual([])
  })

  test('has ended when its shell has, whatever it leaves running', async () => {
    const hook = hookOf('sleep 1000 & echo $! > pid; echo done')
    expect(await runHook(hook)).toBe('done')
    const pid = Number(readFileSync(join(hook.directory, 'pid'), 'utf8'))
    started.push(pid)
    expect(process.kill(pid, 0)).toBe(true)
  })

  test('that waits for ever is ended, with all that it started', async () => {
    const hook = hookOf('sleep 1000 & echo $! > pid; echo asking; wait')
    const failure = await failureOf(runHook(hook, 500))
    expect(failure).toMatchObject({
      code: 'hook-failed',
      message: '`post-activate` failed (not done after 500 ms)',
      evidence: 'asking',
    })
    const pid = Number(readFileSync(join(hook.directory, 'pid'), 'utf8'))
    await until('its child has ended', () => !existsSync(`/proc/${pid}`) || isZombie(pid))
  })
})

function isZombie(pid: number): boolean {
  return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}
