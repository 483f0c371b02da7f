import { describe, expect, test } from '@jest/globals'
import { readOutline, shortHash, type Subtree, subtreeHasher } from '../../src/protocol/subtrees.ts'
import type { ManifestEntry } from '../../src/protocol/manifest.ts'

const file = (path: string, hash = 'a'): ManifestEntry => ({
  kind: 'file',
  path,
  mode: 0o644,
  size: 1,
  hash: hash.repeat(64),
})

function foldersOf(entries: readonly ManifestEntry[]): ReadonlyMap<string, Subtree> {
  const found = new Map<string, Subtree>()
  const hasher = subtreeHasher((subtree) => found.set(subtree.path, subtree))
  for (const entry of entries) hasher.add(entry)
  hasher.end()
  return found
}

// Sorted by bytes: "-" and "." come before "/".
const paths = ['a', 'b-c', 'b.d', 'b/e/f', 'b/e/g', 'b/h', 'b0', 'c/d/e/f']

describe('the hashes of folders', () => {
  test('are of every folder, each after those in it, with the number of what is below', () => {
    const found = [...foldersOf(paths.map((path) => file(path))).values()]
    expect(found.map(({ path, entries }) => [path, entries])).toEqual([
      ['b/e', 2],
      ['b', 3],
      ['c/d/e', 1],
      ['c/d', 1],
      ['c', 1],
      ['', 8],
    ])
  })

  test('change for a folder and those around it when anything below changes, and for no other', () => {
    const before = foldersOf(paths.map((path) => file(path)))
    const after = foldersOf(paths.map((path) => file(path, path === 'b/e/g' ? 'b' : 'a')))
    const differing = [...before.keys()].filter(
      (path) => !before.get(path)!.hash.equals(after.get(path)!.hash),
    )
    expect(differing).toEqual(['b/e', 'b', ''])
  })

  test.each<[string, ManifestEntry]>([
    ['a mode', { kind: 'file', path: 'a/b', mode: 0o755, size: 1, hash: 'a'.repeat(64) }],
    ['a name', file('a/c')],
    ['a link in the place of a file', { kind: 'link', path: 'a/b', target: 'c' }],
    ['an empty folder', { kind: 'directory', path: 'a/b' }],
  ])('tell apart what differs only in %s', (_, other) => {
    expect(
      foldersOf([other])
        .get('a')!
        .hash.equals(foldersOf([file('a/b')]).get('a')!.hash),
    ).toBe(false)
  })

  test('of the same files in another folder are others', () => {
    const found = foldersOf([file('a/x'), file('b/x')])
    expect(found.get('a')!.hash.equals(found.get('b')!.hash)).toBe(false)
  })

  test('of nothing is one for the root', () => {
    expect([...foldersOf([]).keys()]).toEqual([''])
  })
})

describe('an outline', () => {
  const found = foldersOf(
    Array.from({ length: 9 }, (_, index) => file(index < 6 ? `a/${index}` : `b/${index}`)),
  )
  const outlineOf = (...folders: readonly string[]) =>
    Buffer.concat(folders.map((path) => shortHash(found.get(path)!))).toString('base64')

  test('has the folders that it was made of', () => {
    const outline = readOutline(outlineOf('', 'a'))
    expect([outline.has(found.get('')!), outline.has(found.get('a')!)]).toEqual([true, true])
  })

  test('has no others, and none that are too small to be in one', () => {
    expect(readOutline(outlineOf('')).has(found.get('a')!)).toBe(false)
    expect(readOutline(outlineOf('b')).has(found.get('b')!)).toBe(false)
    expect(readOutline('').has(found.get('')!)).toBe(false)
  })
})
