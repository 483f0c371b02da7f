import { describe, expect, test } from '@jest/globals'
import { formatEntry, hashInLine, isLinkLine, parseEntry } from '../../src/protocol/manifest.ts'

const hash = 'a'.repeat(64)
const file = (path: string) => ({ kind: 'file', path, mode: 0o644, size: 3, hash }) as const
const link = (path: string, target: string) => ({ kind: 'link', path, target }) as const

describe('an entry of the manifest', () => {
  test.each([
    file('server.js'),
    file('.next/static/chunks/app/[slug]/(group)/page $!.js'),
    file('public/new\nline and "quote" and ümlaut'),
    file('...'),
    { kind: 'directory', path: 'public/empty' } as const,
    link('node_modules/next', '.pnpm/next@16/node_modules/next'),
  ])('is one line and comes back as it was: %j', (entry) => {
    const line = formatEntry(entry)
    expect(line.endsWith('\n')).toBe(true)
    expect(line.indexOf('\n')).toBe(line.length - 1)
    expect(parseEntry(line)).toEqual(entry)
  })

  test('tells its hash, and whether it is a link, without being parsed', () => {
    const odd = `a"hash":"${'b'.repeat(64)}"`
    const entries = [
      file(odd),
      file('{"kind":"link"'),
      link(odd, 'b'),
      { kind: 'directory', path: odd } as const,
    ]
    expect(entries.map(formatEntry).map(hashInLine)).toEqual([hash, hash, undefined, undefined])
    expect(entries.map(formatEntry).map(isLinkLine)).toEqual([false, false, true, false])
  })

  test.each([
    ['of no kind', { ...file('a'), kind: 'socket' }],
    ['without its hash', { ...file('a'), hash: undefined }],
    ['with half a hash', { ...file('a'), hash: 'abc' }],
    ['of a negative size', { ...file('a'), size: -1 }],
    ['that is a link to nowhere', { kind: 'link', path: 'a' }],
  ])('%s is refused', (_, entry) => {
    expect(() => parseEntry(JSON.stringify(entry))).toThrow(
      expect.objectContaining({ code: 'malformed-message' }),
    )
  })
})

describe('a path', () => {
  test.each([
    '',
    '/etc/passwd',
    '..',
    '../outside',
    'a/../../outside',
    'a/..',
    './a',
    'a/./b',
    'a//b',
    'a/',
    'a\0b',
  ])('that is not plainly inside the release is refused: %j', (path) => {
    for (const entry of [file(path), { kind: 'directory', path }, link(path, 'x')]) {
      expect(() => parseEntry(JSON.stringify(entry))).toThrow(
        expect.objectContaining({ code: 'unsafe-path' }),
      )
    }
  })
})

describe('a link', () => {
  test.each([
    ['a', 'b'],
    ['a/b', '../c'],
    ['.next/node_modules/sharp-1a2b', '../../node_modules/sharp'],
    ['a/b/c', './../../d/./e'],
    ['a/b', '..'],
    ['a/b', '.././c/...'],
  ])('inside the release may be: %s -> %s', (path, target) => {
    expect(parseEntry(formatEntry(link(path, target)))).toEqual(link(path, target))
  })

  test.each([
    ['a', ''],
    ['a', '/etc/passwd'],
    ['a', '..'],
    ['a', '../outside'],
    ['a/b', '../../outside'],
    ['a', 'b/../../outside'],
    ['a', 'b/../c'],
    ['a/b', '../c/../d'],
    ['a/b/c', '../d/..'],
    ['public/leak.txt', 'deep/er/est/link/../../../../shared/secret.txt'],
    ['a/b', '../../a/c'],
    ['a', 'b\0c'],
  ])('that leaves it, were it for a moment, is refused: %s -> %j', (path, target) => {
    expect(() => parseEntry(JSON.stringify(link(path, target)))).toThrow(
      expect.objectContaining({ code: 'unsafe-path' }),
    )
  })
})
