import { chmodSync, existsSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { startFlushing } from '../../../src/agent/system/flush.ts'
import type { ManifestFile } from '../../../src/protocol/manifest.ts'
import { flushedBy } from '../../support/flushed.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()
const path = process.env['PATH']!
async function flush(folderOfFiles: string, ...parts: (readonly ManifestFile[])[]): Promise<void> {
  const flushing = startFlushing(folderOfFiles)
  for (const files of parts) await flushing.add(files)
  await flushing.done()
}
let directory: string
let asked: string

beforeEach(() => {
  directory = folder()
  asked = join(folder(), 'asked')
})
afterEach(() => {
  process.env['PATH'] = path
})

function filesThere(count: number): readonly ManifestFile[] {
  return Array.from({ length: count }, (_, index) => {
    writeFileSync(join(directory, `${index}`), 'content')
    return { kind: 'file', path: `${index}`, mode: 0o644, size: 7, hash: '' }
  })
}

/** A program of that name which notes what it is asked for, and does or fails to do it. */
function standInForSync(then: string): void {
  const programs = folder()
  writeFileSync(join(programs, 'sync'), `#!/bin/sh\necho "$@" >> '${asked}'\n${then}\n`)
  chmodSync(join(programs, 'sync'), 0o755)
  process.env['PATH'] = `${programs}:${path}`
}

const version = (name: string) => `[ "$1" = --version ] && { echo 'sync (${name}) 9.1'; exit 0; }`
const real = (name: string) => `${version(name)}\nPATH='${path}' exec sync "$@"`
const gnu = 'GNU coreutils'
const whatWasAsked = () => (existsSync(asked) ? readFileSync(asked, 'utf8') : '')

const isKnown = () => [0xef53, 0x58465342, 0x9123683e].includes(statfsSync(directory).type)

describe('flushing', () => {
  test('few files flushes them one by one', async () => {
    standInForSync(real(gnu))
    const files = filesThere(20)
    const flushed = await flushedBy(() => flush(directory, files))
    expect(flushed.toSorted()).toEqual(files.map((file) => join(directory, file.path)).toSorted())
    expect(whatWasAsked()).toBe('')
  })

  test('many files flushes the file system that they are on, once', async () => {
    standInForSync(real(gnu))
    const flushed = await flushedBy(() => flush(directory, filesThere(300)))
    // Only of some file systems is it known that they tell of a disk that fails.
    expect(flushed).toHaveLength(isKnown() ? 0 : 300)
    expect(whatWasAsked()).toBe(isKnown() ? `--version\n-f ${directory}\n` : '')
  })

  test.each([
    ['whose sync cannot', `${version(gnu)}\nexit 1`],
    ['whose sync may keep silent about a disk that fails', real('uutils coreutils')],
    ['whose sync does not even know', 'exit 1'],
    ['without one', undefined],
  ])('many files on a server %s flushes them one by one', async (_, then) => {
    if (then === undefined) process.env['PATH'] = folder()
    else standInForSync(then)
    expect(await flushedBy(() => flush(directory, filesThere(300)))).toHaveLength(300)
  })

  test('tells of a file that is not there', async () => {
    const [file] = filesThere(1)
    await expect(flush(directory, [{ ...file!, path: 'elsewhere' }])).rejects.toThrow('ENOENT')
  })

  test('tells of it when it was in an earlier part, at the last with the part after the next', async () => {
    const files = filesThere(1)
    const lost = [{ ...files[0]!, path: 'elsewhere' }]
    await expect(flush(directory, lost, files)).rejects.toThrow('ENOENT')
    const flushing = startFlushing(directory)
    await flushing.add(lost)
    await flushing.add(files)
    await expect(flushing.add(files)).rejects.toThrow('ENOENT')
  })
})
