import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { auditRelease } from '../../src/agent/audit.ts'
import { type Layout, layoutOf, releaseDirectory, releaseFiles } from '../../src/agent/layout.ts'
import { createUploads } from '../../src/agent/upload.ts'
import { contentParts, missingFiles } from '../../src/transfer/stream.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { manifestOf } from '../support/tree.ts'
import { stage } from '../support/upload.ts'
import { run, runtimeWith } from './releases-on-disk.ts'

const folder = temporaryFolders()
let layout: Layout
let id: string

const content = {
  '.gapless/launcher.cjs': '// the launcher',
  '.next/cache/page.html': 'rewritten at run time',
  'data/of-the-build.txt': 'shared',
  'node_modules/.bin/next': { link: '../next/bin' },
  'server.js': '// the server',
}

beforeEach(async () => {
  layout = layoutOf(join(folder(), 'app'))
  const uploads = createUploads(layout)
  const manifest = await manifestOf(folder(), content)
  const staged = await stage(uploads, manifest)
  id = staged.id
  for (const { files, content } of contentParts(missingFiles(manifest, staged.missing)))
    await uploads.fill(id, files.length, content)
  const runtime = runtimeWith({ sharedDirs: ['data'] })
  const commit = { id, entry: 'server.js', staticPath: null, nextVersion: '', run, runtime }
  await uploads.commit(commit, () => undefined)
})

const at = (path: string) => join(releaseDirectory(layout, id), path)

describe('a release is what arrived', () => {
  test('though the app wrote where it may, and what is shared is elsewhere', async () => {
    writeFileSync(at('.next/cache/page.html'), 'written at run time')
    writeFileSync(at('data/of-the-build.txt'), 'written by the app')
    expect(await auditRelease(layout, id)).toEqual({ files: 3, bytes: 49 })
  })
})

describe('a release is damaged', () => {
  const manifest = () => releaseFiles(releaseDirectory(layout, id)).manifest
  test.each([
    ['server.js was changed', () => writeFileSync(at('server.js'), '// a server??')],
    ['server.js is missing', () => rmSync(at('server.js'))],
    ['.next/cache/page.html is missing', () => rmSync(at('.next/cache/page.html'))],
    [
      'node_modules/.bin/next was changed',
      () => {
        rmSync(at('node_modules/.bin/next'))
        writeFileSync(at('node_modules/.bin/next'), '')
      },
    ],
    ['its manifest is missing', () => rmSync(manifest())],
    ['its manifest was changed', () => writeFileSync(manifest(), '')],
    [
      'its manifest was changed',
      () => {
        // The launcher's line is among those that are left.
        writeFileSync(manifest(), readFileSync(manifest(), 'utf8').replace(/\n[^]*/, '\n'))
        writeFileSync(at('server.js'), 'damaged')
      },
    ],
  ])('when %s', async (what, damage) => {
    damage()
    expect(await failureOf(auditRelease(layout, id))).toMatchObject({
      code: 'release-damaged',
      message: expect.stringContaining(what),
    })
  })
})
