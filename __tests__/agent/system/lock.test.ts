import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { lockHolder, takeLock } from '../../../src/agent/system/lock.ts'
import { compile } from '../../support/compile.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { fillTmpfs, mayMount, mountTmpfs } from '../../support/test-mounts.ts'
import { until } from '../../support/until.ts'

const folder = temporaryFolders()
let compiled: string
const started: ChildProcess[] = []

beforeAll(() => {
  compiled = compile()
})

afterAll(() => rmSync(compiled, { recursive: true, force: true }))

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

/** A process of its own that runs `script` with `takeLock`, the lock's folder and the app's folder at hand. */
function startProcess(directory: string, script: string): ChildProcess {
  const code = `
    const { takeLock } = require(${JSON.stringify(join(compiled, 'agent/system/lock.js'))})
    const fs = require('node:fs'), directory = process.argv[1]
    const say = (word) => fs.writeSync(1, word + '\\n')
    void (async () => { ${script} })()`
  const child = spawn(process.execPath, ['-e', code, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  return child
}

async function firstLine(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) return line
  throw new Error('the process ended without a word')
}

const HOLD = `await takeLock(directory, 'the first deploy', 0); say('taken'); setInterval(() => {}, 1e6)`

describe('the lock', () => {
  test('is held by one process: another is refused at once when it may not wait, and told by whom', async () => {
    const directory = folder()
    const holder = startProcess(directory, HOLD)
    expect(await firstLine(holder)).toBe('taken')

    const failure = await failureOf(takeLock(directory, 'the second', 0))
    expect(failure.code).toBe('locked')
    expect(failure.message).toContain('the first deploy')
    expect(failure.message).toContain(`process ${holder.pid}`)
    expect(await lockHolder(directory)).toContain('the first deploy')
  })

  test('is waited for no longer than it is wanted', async () => {
    const directory = folder()
    await takeLock(directory, 'the first', 0)
    let asked = 0
    const giveUp = async () => (asked += 1) > 2
    const failure = await failureOf(takeLock(directory, 'the second', 60_000, { giveUp }))
    expect(failure.code).toBe('withdrawn')
    expect(asked).toBe(3)
  })

  test('is void as soon as its holder is killed: nobody removes it by hand', async () => {
    const directory = folder()
    const holder = startProcess(directory, HOLD)
    await firstLine(holder)
    holder.kill('SIGKILL')
    await once(holder, 'exit')

    expect(await lockHolder(directory)).toBeNull()
    await takeLock(directory, 'the next', 0)
    expect(await lockHolder(directory)).toContain('the next')
  })

  test('is free again when its holder releases it, though that process lives on', async () => {
    const directory = folder()
    const holder = startProcess(
      directory,
      `const lock = await takeLock(directory, 'the first', 0)
       await lock.release(); say('released'); setInterval(() => {}, 1e6)`,
    )
    expect(await firstLine(holder)).toBe('released')
    expect(await lockHolder(directory)).toBeNull()
    await takeLock(directory, 'the next', 0)
  })

  test('is waited for, and the holder is told of once', async () => {
    const directory = folder()
    const holder = startProcess(directory, HOLD)
    await firstLine(holder)

    const told: string[] = []
    let taken = false
    const waiting = takeLock(directory, 'the second', 60_000, { onWait: (who) => told.push(who) }).then(
      () => (taken = true),
    )
    await until('told of the holder', () => told.length > 0)
    // Time for a few more tries.
    await delay(700)
    expect(taken).toBe(false)
    holder.kill('SIGKILL')
    await waiting

    expect(told).toHaveLength(1)
    expect(told[0]).toContain('the first deploy')
  })

  test('of a process from before the last boot is void, though its pid may be in use again', async () => {
    const directory = folder()
    await takeLock(directory, 'before the boot', 0)
    const [name = ''] = readdirSync(directory)
    const record = JSON.parse(readFileSync(join(directory, name), 'utf8')) as object
    writeFileSync(join(directory, name), JSON.stringify({ ...record, bootId: 'another' }))
    expect(await lockHolder(directory)).toBeNull()
  })

  test('of a process whose pid another one has now is void', async () => {
    const directory = folder()
    await takeLock(directory, 'a process long gone', 0)
    const [name = ''] = readdirSync(directory)
    const record = JSON.parse(readFileSync(join(directory, name), 'utf8')) as object
    writeFileSync(join(directory, name), JSON.stringify({ ...record, startTime: '1' }))
    expect(await lockHolder(directory)).toBeNull()
  })

  test('whose content a power cut lost is void', async () => {
    const directory = folder()
    writeFileSync(join(directory, '7.json'), '')
    expect(await lockHolder(directory)).toBeNull()
    await takeLock(directory, 'the next', 0)
    expect(await lockHolder(directory)).toContain('the next')
  })

  test('leaves one file behind, however often it was taken', async () => {
    const directory = folder()
    for (let round = 0; round < 5; round += 1) {
      const lock = await takeLock(directory, `round ${round}`, 0)
      await lock.release()
    }
    expect(readdirSync(directory)).toHaveLength(1)
  })

  const withRoot = mayMount ? test : test.skip
  withRoot('is given back on a disk that is full', async () => {
    const directory = folder()
    const unmount = mountTmpfs(directory, 'size=1m')
    try {
      const lock = await takeLock(directory, 'the first', 0)
      fillTmpfs(directory, 'blocks')
      fillTmpfs(directory, 'inodes')
      await lock.release()
      expect(await lockHolder(directory)).toBeNull()
    } finally {
      unmount()
    }
  })

  test('that 20 processes race for is never held by two at once', async () => {
    const directory = folder()
    const log = join(folder(), 'log')
    const gate = join(folder(), 'gate')
    // Whoever is inside makes a folder, which fails if it is there already.
    const children = Array.from({ length: 20 }, () =>
      startProcess(
        directory,
        `const log = ${JSON.stringify(log)}, room = log + '.room'
         say('up')
         while (!fs.existsSync(${JSON.stringify(gate)})) await new Promise((next) => setTimeout(next, 5))
         for (let round = 0; round < 2; round += 1) {
           const lock = await takeLock(directory, 'racer ' + process.pid, 60000)
           fs.mkdirSync(room)
           fs.appendFileSync(log, process.pid + '\\n')
           await new Promise((next) => setTimeout(next, 3))
           fs.rmdirSync(room)
           await lock.release()
         }`,
      ),
    )
    const exits = children.map(async (child) => (await once(child, 'exit'))[0] as number)
    await Promise.all(children.map(firstLine))
    appendFileSync(gate, '')

    expect(await Promise.all(exits)).toEqual(Array.from({ length: 20 }, () => 0))
    const inside = readFileSync(log, 'utf8').trimEnd().split('\n')
    expect(inside).toHaveLength(40)
    expect(new Set(inside).size).toBe(20)
    expect(existsSync(`${log}.room`)).toBe(false)
  }, 60_000)

  test('says plainly that its folder is missing', async () => {
    const directory = join(folder(), 'missing')
    await expect(takeLock(directory, 'someone', 0)).rejects.toThrow('ENOENT')
    mkdirSync(directory)
    await takeLock(directory, 'someone', 0)
  })
})
