import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { activationFile, readActivation } from '../../src/worker/activation-file.ts'
import { startTimeOf } from '../../src/common/process-identity.ts'
import { temporaryFolders } from '../support/folder.ts'

const folder = temporaryFolders()

describe('a process is known by its pid and its start', () => {
  test('which stays the same as long as it lives, and is gone with it', async () => {
    const child = spawn('sleep', ['1000'])
    await once(child, 'spawn')
    const start = startTimeOf(child.pid!)
    expect(start).toMatch(/^\d+$/)
    expect(startTimeOf(child.pid!)).toBe(start)
    expect(start).not.toBe(startTimeOf(process.pid))
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(startTimeOf(child.pid!)).toBeNull()
  })

  test('whatever its name is', async () => {
    const program = join(folder(), 'a) S 1 (b')
    copyFileSync('/bin/sleep', program)
    const child = spawn(program, ['1000'])
    await once(child, 'spawn')
    expect(Number(startTimeOf(child.pid!))).toBeGreaterThanOrEqual(Number(startTimeOf(process.pid)))
    child.kill('SIGKILL')
    await once(child, 'exit')
  })

  test('and there is none that was never given', () => {
    expect(startTimeOf(2 ** 30)).toBeNull()
  })
})

describe('the activation under way', () => {
  function write(text: string): string {
    const app = folder()
    mkdirSync(join(app, '.gapless'))
    writeFileSync(activationFile(app), text)
    return app
  }
  const activation = {
    pid: process.pid,
    startTime: startTimeOf(process.pid),
    target: '20260101000001',
    observe: true,
    stay: 60_000,
    halt: false,
  }

  test('is what its file says while its process lives', () => {
    expect(readActivation(write(JSON.stringify(activation)))).toEqual(activation)
  })

  test.each([
    ['its process is gone', JSON.stringify({ ...activation, pid: 2 ** 30 })],
    ['another process has its pid now', JSON.stringify({ ...activation, startTime: '1' })],
    ['its file is damaged', '{"pid":'],
  ])('is none when %s', (_, text) => {
    expect(readActivation(write(text))).toBeNull()
  })

  test('is none without the file', () => {
    expect(readActivation(folder())).toBeNull()
  })
})
