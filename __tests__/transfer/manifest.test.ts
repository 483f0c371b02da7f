import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { createManifest } from '../../src/transfer/manifest.ts'
import { formatEntry, parseEntry } from '../../src/protocol/manifest.ts'
import { temporaryFolders } from '../support/folder.ts'
import { writeTree } from '../support/tree.ts'

const folder = temporaryFolders()
const sha256 = (content: string) => createHash('sha256').update(content).digest('hex')

describe('the manifest', () => {
  test('has every entry of the tree in its order, the files with their hash', async () => {
    const tree = writeTree(folder(), {
      'a.txt': 'content',
      'bin/run': { program: '#!/bin/sh' },
      'c -> d': { link: 'd' },
      e: { directory: true },
      'f.txt': '',
    })
    const manifest = await createManifest(tree)
    expect(manifest.entries.map((entry) => parseEntry(formatEntry(entry)))).toEqual([
      { kind: 'file', path: 'a.txt', mode: 0o644, size: 7, hash: sha256('content') },
      { kind: 'file', path: 'bin/run', mode: 0o755, size: 9, hash: sha256('#!/bin/sh') },
      { kind: 'link', path: 'c -> d', target: 'd' },
      { kind: 'directory', path: 'e' },
      { kind: 'file', path: 'f.txt', mode: 0o644, size: 0, hash: sha256('') },
    ])
    expect(manifest.files.map(({ path }) => path)).toEqual(['a.txt', 'bin/run', 'f.txt'])
    expect(manifest.bytes).toBe(16)
  })

  test('is the same for the same content, wherever it stands: no time, no folder of this machine', async () => {
    const contents = { 'a.txt': 'a', 'b.txt': 'b' }
    const [one, two] = [
      await createManifest(writeTree(folder(), contents)),
      await createManifest(writeTree(folder(), contents)),
    ]
    expect(one.entries.map(formatEntry)).toEqual(two.entries.map(formatEntry))
    expect([one.hash, one.folders]).toEqual([two.hash, two.folders])
  })

  test('hashes many files each by its own content', async () => {
    const contents = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`${index}`, `content ${index}`]),
    )
    const { files } = await createManifest(writeTree(folder(), contents))
    expect(files.map(({ hash }) => hash)).toEqual(Object.values(contents).map(sha256))
  })

  test('cannot be made of what is not there', async () => {
    const from = folder()
    const tree = writeTree(from, { 'a.txt': 'a', 'b.txt': 'b' })
    rmSync(join(from, 'b.txt'))
    await expect(createManifest(tree)).rejects.toMatchObject({ code: 'file-unreadable' })
  })
})
