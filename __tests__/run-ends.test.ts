import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { runEnds } from '../scripts/run-ends.mjs'

const stillOpen = join(import.meta.dirname, '..', 'scripts', 'still-open.mjs')
let folder: string
const said: string[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gapless-run-'))
  said.length = 0
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Ends as a run of Jest whose process does `last` after it has written its report. */
async function run(last: string, success = true): Promise<boolean> {
  const report = join(folder, 'report.json')
  const write = `fs.writeFileSync(${JSON.stringify(report)}, ${JSON.stringify(JSON.stringify({ success }))});`
  const child = spawn(process.execPath, ['--import', stillOpen, '-e', write + last], { stdio: 'ignore' })
  return runEnds(child, report, { grace: 500, answer: 2000, say: (line) => void said.push(line) })
}

/** What the main thread does where Node.js locks up. */
const locked = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'

test('a run that ends passes by its exit code', async () => {
  expect(await run('')).toBe(true)
  expect(await run('process.exit(1)')).toBe(false)
  // As Jest does.
  expect(await run(`process.on('exit', () => { process.exitCode = 1 })`)).toBe(false)
  expect(said).toEqual([])
})

test('a run whose Node.js locks up at its end counts by its report', async () => {
  expect(await run(locked)).toBe(true)
  expect(await run(locked, false)).toBe(false)
  expect(said.filter((line) => line.includes('locked up at its end'))).toHaveLength(2)
})

test('so does one whose Node.js has let go of its signals already', async () => {
  expect(await run(`process.removeAllListeners('SIGUSR2'); setInterval(() => 0, 1000)`)).toBe(true)
  expect(said.at(-1)).toContain('locked up at its end')
})

test('a run that something left open keeps alive fails', async () => {
  expect(await run('setInterval(() => 0, 1000)')).toBe(false)
  expect(said).toEqual([expect.stringContaining('does not end'), 'A test left something open.'])
})
