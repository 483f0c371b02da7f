import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { runTest, type TestRun } from '../../src/phases/run-test.ts'
import { compile } from '../support/compile.ts'
import { temporaryFolders } from '../support/folder.ts'
import { until } from '../support/until.ts'

const folder = temporaryFolders()
const never = new AbortController().signal

async function run(command: string, changes: Partial<TestRun> = {}) {
  const lines: string[] = []
  const directory = changes.directory ?? folder()
  const end = await runTest(
    { command, directory, variables: {}, limitMs: 20_000, signal: never, ...changes },
    { info: (line) => void lines.push(line) },
  )
  return { ...end, lines, directory }
}

const lives = (pid: number) => {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
const pidIn = (file: string) => Number(readFileSync(file, 'utf8'))

test('runs in the directory, with the variables, and without the action’s own', async () => {
  process.env['INPUT_KEY'] = 'secret'
  try {
    const { passed, lines, directory } = await run('pwd; echo "$BASE_URL [$INPUT_KEY]"; cat', {
      variables: { BASE_URL: 'http://127.0.0.1:1' },
    })
    expect({ passed, lines }).toEqual({ passed: true, lines: [directory, 'http://127.0.0.1:1 []'] })
  } finally {
    delete process.env['INPUT_KEY']
  }
})

describe('tells how it ended:', () => {
  test.each([
    ['exit 3', 'exited with code 3'],
    ['kill -SEGV $$', 'was killed by SIGSEGV'],
    [`sh -c 'kill -SEGV $$'`, 'exited with code 139 (SIGSEGV)'],
    ['false\necho never', 'exited with code 1'],
    ['no-such-program', 'exited with code 127'],
  ])('%j', async (command, ending) => {
    const end = await run(command)
    expect(end).toMatchObject({ passed: false, how: 'by itself', ending })
    expect(end.lines).not.toContain('never')
  })

  test('a directory that is not there', async () => {
    const end = await run('true', { directory: '/no/such/folder' })
    expect(end).toMatchObject({ passed: false, ending: expect.stringContaining('could not be started') })
  })
})

describe('the output', () => {
  test('comes line by line, of both streams, and its end is kept', async () => {
    const { lines, lastLines } = await run(`echo one; echo two >&2; printf 'no end'`)
    expect(lines.sort()).toEqual(['no end', 'one', 'two'])
    expect(lastLines).toContain('no end')
  })

  test('is not cut in the middle of a character', async () => {
    const { lines } = await run(`printf '\\303'; sleep 0.2; printf '\\244\\n'`)
    expect(lines).toEqual(['ä'])
  })

  test('of 100 MB is shown in part, and its end is kept', async () => {
    const { passed, lines, lastLines } = await run(`yes 0123456789 | head -c 104857600; echo; echo the end`)
    expect(passed).toBe(true)
    expect(lines.join('\n').length).toBeLessThan(11 * 1024 * 1024)
    expect(lines.at(-1)).toMatch(/^More than .* are not shown\.$/)
    expect(lastLines.split('\n').at(-1)).toBe('the end')
    expect(lastLines.length).toBeLessThan(65 * 1024)
  })

  test('without a line break takes no memory', async () => {
    const { lines } = await run(`head -c 50000000 /dev/zero | tr '\\0' x; echo; echo after`)
    expect(lines).toEqual([expect.stringContaining('is not shown'), 'after'])
  })
})

describe('nothing outlives it:', () => {
  test('what runs in the background', async () => {
    const { directory, passed } = await run('sleep 1000 & echo $! > pid')
    expect(passed).toBe(true)
    expect(lives(pidIn(join(directory, 'pid')))).toBe(false)
  })

  test('what has left its group', async () => {
    const { directory } = await run('setsid sleep 1000 & echo $! > pid; sleep 0.2')
    const pid = pidIn(join(directory, 'pid'))
    await until('it has gone', () => !lives(pid))
  })

  test('a test that is late, and ignores SIGTERM with all that it starts', async () => {
    const end = await run(
      `trap '' TERM; (trap '' TERM; sleep 1000) & echo $! > pid; while :; do sleep 1; done`,
      {
        limitMs: 300,
      },
    )
    expect(end).toMatchObject({ passed: false, how: 'late' })
    expect(end.durationMs).toBeLessThan(15_000)
    expect(lives(pidIn(join(end.directory, 'pid')))).toBe(false)
  }, 60_000)

  test('a test whose candidate has gone, after it has cleaned up', async () => {
    const gone = new AbortController()
    const directory = folder()
    const running = run(`trap 'echo cleaned; exit 0' TERM; echo > begun; while :; do sleep 0.1; done`, {
      signal: gone.signal,
      directory,
    })
    await until('it has begun', () => existsSync(join(directory, 'begun')))
    gone.abort()
    expect(await running).toMatchObject({
      passed: false,
      how: 'aborted',
      lines: expect.arrayContaining(['cleaned']),
    })
  })

  test('a `wait` of the command waits for its own jobs alone', async () => {
    expect(await run('sleep 0.1 & wait; echo done')).toMatchObject({ passed: true, lines: ['done'] })
  })
})

describe('where the action itself', () => {
  let compiled: string
  beforeAll(() => {
    compiled = compile(undefined, ['common', 'next', 'phases'])
  })
  afterAll(() => rmSync(compiled, { recursive: true, force: true }))

  /** A process that runs a test, and the pid of what the test started. */
  async function start(command: string) {
    const directory = folder()
    const program = join(directory, 'program.cjs')
    const module = JSON.stringify(join(compiled, 'phases', 'run-test.js'))
    const asked = { command, directory, variables: {}, limitMs: 60_000 }
    writeFileSync(
      program,
      `const { runTest } = require(${module})
      const signal = new AbortController().signal
      runTest({ ...${JSON.stringify(asked)}, signal }, console).then((end) => process.kill(process.pid, end.cancelledBy))`,
    )
    const child = spawn(process.execPath, [program], { stdio: 'ignore' })
    const file = join(directory, 'pid')
    await until('it has begun', () => existsSync(file) && readFileSync(file, 'utf8') !== '')
    return { child, pid: pidIn(file), directory }
  }

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('ends of %s, so does the test', async (signal) => {
    const { child, pid } = await start('sleep 1000 & echo $! > pid; wait')
    child.kill(signal)
    const [, by] = (await once(child, 'exit')) as [number | null, string | null]
    expect(by).toBe(signal)
    await until('the test has gone', () => !lives(pid))
  })

  test('is cancelled, a test that ignores it is killed in time', async () => {
    const { child, pid } = await start(
      `trap '' TERM INT; sleep 1000 & echo $! > pid; while :; do sleep 1; done`,
    )
    const begun = performance.now()
    child.kill('SIGINT')
    await once(child, 'exit')
    expect(performance.now() - begun).toBeLessThan(7000)
    expect(lives(pid)).toBe(false)
  })
})
