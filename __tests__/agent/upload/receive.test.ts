import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { folderMaker, receive } from '../../../src/agent/upload/receive.ts'
import { sha256 } from '../../../src/common/hash-file.ts'
import type { ManifestFile } from '../../../src/protocol/manifest.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()
const time = new Date('2026-01-01')

const file = (path: string, text: string): ManifestFile => ({
  kind: 'file',
  path,
  size: Buffer.byteLength(text),
  mode: 0o644,
  hash: sha256(Buffer.from(text)),
})

async function* contents(text: string) {
  // In pieces that end anywhere.
  for (let at = 0; at < text.length; at += 3) yield Buffer.from(text.slice(at, at + 3))
}

const texts = Array.from({ length: 100 }, (_, index) => `contents of ${index}`)

test('writes many files as the manifest says', async () => {
  const directory = folder()
  const files = texts.map((text, index) => file(`${index % 7}/${index}`, text))
  await receive(directory, files, time, folderMaker(), contents(texts.join('')))
  for (const [index, { path }] of files.entries()) {
    expect(readFileSync(join(directory, path), 'utf8')).toBe(texts[index])
    expect(statSync(join(directory, path))).toMatchObject({ mtimeMs: time.getTime(), mode: 0o100644 })
  }
})

test.each([
  ['is damaged', texts.join('').replace('contents of 5', 'contents 0f 5'), 'upload-corrupt'],
  ['ends early', texts.join('').slice(0, 5 * 'contents of 0'.length + 4), 'upload-incomplete'],
])('leaves neither a file that %s nor those after it', async (_, sent, code) => {
  const directory = folder()
  const files = texts.map((text, index) => file(String(index), text))
  const failed = receive(directory, files, time, folderMaker(), contents(sent))
  expect((await failureOf(failed)).code).toBe(code)
  expect(readdirSync(directory).sort()).toEqual(['0', '1', '2', '3', '4'])
})

test('does not write over a file that is there already, and leaves none of those after it', async () => {
  const directory = folder()
  const [first, second, third] = texts.map((text, index) => file(String(index), text))
  await receive(directory, [second!], time, folderMaker(), contents(texts[1]!))
  const again = receive(directory, [first!, second!, third!], time, folderMaker(), contents(texts.join('')))
  await expect(again).rejects.toMatchObject({ code: 'EEXIST' })
  expect(readdirSync(directory).sort()).toEqual(['0', '1'])
})
