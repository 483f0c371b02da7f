import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { nodeBinary } from '../scripts/node-version.mjs'
import { temporaryFolders } from './support/folder.ts'

const folder = temporaryFolders()
const platform = `${process.platform}-${process.arch}`

/** The cache as a complete install of a version leaves it, with another program in the binary's place. */
function cacheWith(version: string, program: string): string {
  const cache = folder()
  const bin = join(cache, `${version}-${platform}`, 'node_modules', `node-${platform}`, 'bin')
  mkdirSync(bin, { recursive: true })
  symlinkSync(program, join(bin, 'node'))
  return cache
}

test.each(['18', '20', '20.19', '22', '24'])('gets Node.js %s', (version) => {
  const printed = execFileSync(nodeBinary(version), ['-p', 'process.version'], { encoding: 'utf8' })
  expect(printed.startsWith(`v${version}.`)).toBe(true)
})

test('fails for a version that the registry does not have', () => {
  expect(() => nodeBinary('99', { cache: folder() })).toThrow(/npm cannot install node-\S+@99/)
})

test('fails for a platform that the registry does not have', () => {
  expect(() => nodeBinary('24', { cache: folder(), platform: 'plan9-pdp11' })).toThrow('node-plan9-pdp11@24')
})

test('notices a binary of another version', () => {
  const cache = cacheWith('23', process.execPath)
  expect(() => nodeBinary('23', { cache })).toThrow(`Node.js 23 was asked for, but`)
  expect(() => nodeBinary('23', { cache })).toThrow(`is ${process.version}`)
})

test('notices a file that is no Node.js', () => {
  const text = join(folder(), 'text')
  writeFileSync(text, 'not a program')
  expect(() => nodeBinary('24', { cache: cacheWith('24', text) })).toThrow('is no version')
})
