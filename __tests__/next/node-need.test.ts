import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { nodeNeeds } from '../../src/next/node-need.ts'
import { temporaryFolders } from '../support/folder.ts'

const folder = temporaryFolders()
function checkout(content: object, installed?: string): string {
  const directory = folder()
  writeFileSync(join(directory, 'package.json'), JSON.stringify(content))
  if (installed !== undefined) {
    mkdirSync(join(directory, 'node_modules/next'), { recursive: true })
    writeFileSync(join(directory, 'node_modules/next/package.json'), JSON.stringify({ version: installed }))
  }
  return directory
}

test.each([
  ['14.2.33', '>=18.17.0'],
  ['^15.0.0', '>=18.18.0'],
  ['16.4.6', '>=20.9.0'],
  ['>=17', '>=20.9.0'],
])('Next.js %s needs Node.js %s', (next, range) => {
  expect(nodeNeeds(checkout({ dependencies: { next } }))).toMatchObject([{ range }])
})

test('what is installed counts, and what the app itself asks for', () => {
  const directory = checkout({ dependencies: { next: '>=14' }, engines: { node: '>=22' } }, '16.1.0')
  expect(nodeNeeds(directory)).toEqual([
    { who: 'the app', range: '>=22' },
    { who: 'Next.js 16', range: '>=20.9.0' },
  ])
})

test('without a checkout, without Next.js, and where it cannot be read nothing is known', () => {
  expect(nodeNeeds(folder())).toEqual([])
  expect(nodeNeeds(checkout({}))).toEqual([])
  expect(nodeNeeds(checkout({ dependencies: { next: 'catalog:' } }))).toEqual([])
  const broken = folder()
  writeFileSync(join(broken, 'package.json'), '{ no JSON')
  expect(nodeNeeds(broken)).toEqual([])
})
