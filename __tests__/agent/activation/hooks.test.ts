import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { runHook, untilHooksEnded } from '../../../src/agent/activation/hooks.ts'
import { activationFiles } from '../../../src/agent/activation/job.ts'
import type { Layout } from '../../../src/agent/store/layout.ts'
import { compile } from '../../support/compile.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'
import { newLayout, runtimeWith } from '../releases-on-disk.ts'

const folder = temporaryFolders()
let compiled: string
beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
const started: number[] = []
afterEach(() => {
  for (const pid of started.splice(0)) process.kill(pid, 'SIGKILL')
})

function hookOf(commands: string) {
  const directory = folder()
  const runtime = runtimeWith({ env: { GREETING: 'hello' } })
  return {
    name: 'post-activate',
    commands,
    directory,
    runtime,
    log: join(directory, 'hook.log'),
    owner: join(directory, 'hook-owner'),
  } as const
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
      message: '`post-activate` failed: exit code 1.',
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
      message: '`post-activate` failed: it did not end within 500 ms.',
      evidence: 'asking',
    })
    const pid = Number(readFileSync(join(hook.directory, 'pid'), 'utf8'))
    await until('its child has ended', () => !existsSync(`/proc/${pid}`) || isZombie(pid))
  })
})

describe('a hook that outlives its activation', () => {
  /** An activation that dies while its hook runs. */
  async function orphan(layout: Layout, commands: string): Promise<void> {
    const { hookLog, hookOwner } = activationFiles(layout, 'killed')
    const hook = { name: 'pre-activate', commands, directory: layout.base, log: hookLog, owner: hookOwner }
    const code = `
      const { runHook } = require(${JSON.stringify(join(compiled, 'agent/activation/hooks.js'))})
      void runHook({ ...${JSON.stringify(hook)}, runtime: { env: {} } })`
    const activation = spawn(process.execPath, ['-e', code], { stdio: 'inherit' })
    await until('the hook runs', () => existsSync(join(layout.base, 'begun')))
    activation.kill('SIGKILL')
    await once(activation, 'exit')
  }

  const waiting = { onWait: () => undefined, giveUp: async () => false }

  test('is waited for', async () => {
    const layout = newLayout(folder())
    await orphan(layout, 'touch begun; while ! test -e go; do sleep 0.05; done; touch done')
    const waitedFor: string[] = []
    const onWait = (of: string) => void waitedFor.push(of)
    const ended = untilHooksEnded(layout, { ...waiting, onWait })
    await until('it waits', () => waitedFor.length > 0)
    expect(waitedFor).toEqual(['killed'])
    expect(existsSync(join(layout.base, 'done'))).toBe(false)
    writeFileSync(join(layout.base, 'go'), '')
    await ended
    expect(existsSync(join(layout.base, 'done'))).toBe(true)
    await untilHooksEnded(layout, { ...waiting, onWait })
    expect(waitedFor).toHaveLength(1)
  })

  test('is ended when it takes longer than a hook may, whatever its shell has become', async () => {
    const layout = newLayout(folder())
    await orphan(layout, 'sleep 1000 & echo $! > pid; touch begun; exec sleep 1000')
    await untilHooksEnded(layout, waiting, 500)
    const pid = Number(readFileSync(join(layout.base, 'pid'), 'utf8'))
    await until('its child has ended', () => !existsSync(`/proc/${pid}`) || isZombie(pid))
  })

  test('is not waited for by a run that was cancelled', async () => {
    const layout = newLayout(folder())
    await orphan(layout, 'echo $$ > pid; touch begun; exec sleep 1000')
    started.push(Number(readFileSync(join(layout.base, 'pid'), 'utf8')))
    const giveUp = async () => true
    expect(await failureOf(untilHooksEnded(layout, { ...waiting, giveUp }))).toMatchObject({
      code: 'withdrawn',
    })
  })

  test('has not begun where nobody could write down which process it is', async () => {
    const hook = hookOf('touch begun')
    const owner = join(hook.directory, 'no-folder', 'hook-owner')
    await expect(runHook({ ...hook, owner })).rejects.toThrow('ENOENT')
    expect(existsSync(join(hook.directory, 'begun'))).toBe(false)
  })
})

function isZombie(pid: number): boolean {
  return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}
