import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from '@jest/globals'
import {
  broughtNode,
  isBrought,
  removeOldRuntimes,
  versionOfNode,
} from '../../../src/agent/system/runtime.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()
let home: string
const runtime = (path: string) => join(home, '.gapless/runtime', path)
beforeEach(() => {
  home = folder()
  mkdirSync(runtime('bin'), { recursive: true })
  for (const version of ['22.9.0', '24.9.0']) {
    mkdirSync(runtime(`node/${version}/bin`), { recursive: true })
    writeFileSync(runtime(`node/${version}/bin/node`), '')
  }
  symlinkSync('../node/24.9.0/bin/node', runtime('bin/node'))
})
const left = () => readdirSync(runtime('node')).toSorted()

test('removes what setup has replaced, and keeps what the link leads to', async () => {
  expect(await removeOldRuntimes([], home, 0)).toEqual(['.gapless/runtime/node/22.9.0'])
  expect(left()).toEqual(['24.9.0'])
})

test('keeps a version from which a process runs, until it has ended', async () => {
  const program = runtime('node/22.9.0/bin/sleep')
  copyFileSync('/bin/sleep', program)
  const child = spawn(program, ['1000'], { stdio: 'ignore' })
  await once(child, 'spawn')
  expect(await removeOldRuntimes([], home, 0)).toEqual([])
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(await removeOldRuntimes([], home, 0)).toHaveLength(1)
})

test('keeps what was said to be in use, what is young, and all where there is no newest', async () => {
  expect(await removeOldRuntimes([runtime('node/22.9.0/lib/Daemon.js')], home, 0)).toEqual([])
  expect(await removeOldRuntimes([], home, 60_000)).toEqual([])
  const other = folder()
  mkdirSync(join(other, '.gapless/runtime/node/22.9.0'), { recursive: true })
  expect(await removeOldRuntimes([], other, 0)).toEqual([])
  expect(left()).toEqual(['22.9.0', '24.9.0'])
})

test('tells the Node that setup brought last from others', () => {
  expect(broughtNode(home)).toBe(runtime('node/24.9.0/bin/node'))
  expect(broughtNode(folder())).toBeNull()
  expect(isBrought(runtime('node/22.9.0/bin/node'), home)).toBe(true)
  expect(isBrought('/usr/bin/node', home)).toBe(false)
})

test('asks a Node for its version', () => {
  const { node, modules } = process.versions
  expect(versionOfNode(process.execPath)).toEqual({ version: node, abi: modules })
  expect(versionOfNode('/bin/false')).toBeNull()
  expect(versionOfNode('/nowhere/node')).toBeNull()
})
