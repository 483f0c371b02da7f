import { describe, expect, test } from '@jest/globals'
import { formatEntry, isWritableAtRunTime, parseEntry } from '../../src/protocol/manifest.ts'

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

describe('what a running Next.js may write', () => {
  test.each([
    ['.next/server/app/blog/first.html', '.next'],
    ['.next/server/app/blog/first.rsc', '.next'],
    ['.next/server/app/blog/first.segments/_tree.segment.rsc', '.next'],
    ['.next/server/app/public/index.html', '.next'],
    ['.next/server/pages/about.json', '.next'],
    ['.next/server/route-cache/app/x.body', '.next'],
    ['.next/cache/images/a/b.webp', '.next'],
    ['apps/web/.next/server/app/index.html', 'apps/web/.next'],
    ['build/server/app/index.html', 'build'],
    ['build/server/app/index.html', null],
    ['apps/web/.next/cache/images/a/b.webp', null],
  ])('is to be copied: %s, where distDir is %s', (path, distDir) => {
    expect(isWritableAtRunTime(path, distDir)).toBe(true)
  })

  test.each([
    ['server.js', '.next'],
    ['.next/BUILD_ID', '.next'],
    ['.next/static/chunks/main.js', '.next'],
    ['.next/static/media/cache/font.woff2', '.next'],
    ['.next/server/chunks/1.js', '.next'],
    ['.next/server/app/blog/page.js', '.next'],
    ['.next/server/app/blog/page.js.nft.json', '.next'],
    ['.next/server/middleware-manifest.json', '.next'],
    ['public/logo.png', '.next'],
    ['public/cache/logo.png', '.next'],
    ['public/server/app/logo.png', '.next'],
    ['apps/web/public/cache/logo.png', 'apps/web/.next'],
    ['.next/server/app/index.html', 'apps/web/.next'],
    ['node_modules/next/dist/server/app/x.html', null],
    ['node_modules/keyv/cache/data', null],
    ['public/logo.png', null],
  ])('is not: %s, where distDir is %s', (path, distDir) => {
    expect(isWritableAtRunTime(path, distDir)).toBe(false)
  })
})
