import { linkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { sameContent } from '../../src/worker/same-content.ts'
import { temporaryFolders } from '../support/folder.ts'

const folder = temporaryFolders()

test.each([
  ['the same', 'a', 'a', true],
  ['of another size', 'a', 'ab', false],
  ['of the same size', 'a', 'b', false],
  ['both empty', '', '', true],
  ['the same over several reads', 'x'.repeat(200_000), 'x'.repeat(200_000), true],
  ['different in the last read alone', `${'x'.repeat(200_000)}a`, `${'x'.repeat(200_000)}b`, false],
])('two files that are %s', (_, a, b, expected) => {
  const [first, second] = [join(folder(), 'a'), join(folder(), 'b')]
  writeFileSync(first, a)
  writeFileSync(second, b)
  expect(sameContent(first, second)).toBe(expected)
})

test('two names of one file', () => {
  const [first, second] = [join(folder(), 'a'), join(folder(), 'b')]
  writeFileSync(first, 'a')
  linkSync(first, second)
  expect(sameContent(first, second)).toBe(true)
})

test('a file that is gone', () => {
  const file = join(folder(), 'a')
  writeFileSync(file, 'a')
  expect(() => sameContent(file, join(folder(), 'b'))).toThrow('ENOENT')
})
