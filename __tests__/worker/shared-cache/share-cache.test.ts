import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { CacheSharing } from '../../../src/protocol/messages.ts'
import type { Release } from '../../../src/worker/release.ts'
import { shareCache } from '../../../src/worker/shared-cache/index.ts'
import { runtimeWith } from '../../agent/releases-on-disk.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()
let app = ''
let log: jest.SpiedFunction<typeof console.error>
beforeEach(() => {
  app = folder()
  log = jest.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => void jest.restoreAllMocks())

function share(config: object | null, shared = true, candidate = false): CacheSharing | undefined {
  const directory = join(app, 'releases', '20260101000001')
  const distDirectory = join(directory, '.next')
  mkdirSync(distDirectory, { recursive: true })
  if (config !== null)
    writeFileSync(join(distDirectory, 'required-server-files.json'), JSON.stringify({ config }))
  const release: Release = {
    id: '20260101000001',
    directory,
    appDirectory: app,
    entry: join(directory, 'server.js'),
    staticPath: '.next/static',
    distDirectory,
    nextVersion: '99.1.2',
    created: 0,
    built: null,
    runtime: runtimeWith({ shareCache: shared }),
  }
  let said: CacheSharing | undefined
  shareCache(release, candidate, (sharing) => (said = sharing))
  return said
}

test('where it is off nothing is done, and nothing is said in the log', () => {
  expect(share({}, false)).toEqual({ shared: false, why: '`share-cache` is off' })
  expect(log).not.toHaveBeenCalled()
  expect(readdirSync(app)).toEqual(['releases'])
})

describe('an app with a handler of its own is left alone:', () => {
  test.each([
    ['cacheHandler', { cacheHandler: './handler.js' }],
    ['cacheHandlers', { cacheHandlers: { default: './handler.js' } }],
    ['cacheHandlers', { experimental: { cacheHandlers: { remote: './handler.js' } } }],
    [
      'experimental.incrementalCacheHandlerPath',
      { experimental: { incrementalCacheHandlerPath: './handler.js' } },
    ],
  ])('%s', (setting, config) => {
    expect(share(config)).toEqual({ shared: false, why: `the app sets \`${setting}\`` })
    expect(log).toHaveBeenCalledTimes(1)
    expect(Symbol.for('@next/cache-handlers') in globalThis).toBe(false)
  })
})

test.each([
  ['an unknown one', { cacheHandlers: { default: undefined }, cacheHandler: undefined }],
  ['one that says nothing of itself', null],
])('a Next.js that is %s is left as it is, with one line in the log', (_, config) => {
  expect(share(config)).toEqual({
    shared: false,
    why: expect.stringContaining('Next.js 99.1.2 keeps its cache in an unknown way'),
  })
  expect(log).toHaveBeenCalledTimes(1)
})

test('a candidate leaves nothing behind', () => {
  share({}, true, true)
  expect(readdirSync(app)).toEqual(['releases'])
})
