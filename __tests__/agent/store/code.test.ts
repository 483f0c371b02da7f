import { describe, expect, test } from '@jest/globals'
import { distDirOf, isCacheOfNext, isCode, mayBeShared } from '../../../src/agent/store/code.ts'
import type { ReleaseInfo } from '../../../src/protocol/messages.ts'
import { run } from '../releases-on-disk.ts'

describe('code is', () => {
  test.each([
    ['server.js', '.next'],
    ['apps/web/server.js', 'apps/web/.next'],
    ['.next/BUILD_ID', '.next'],
    ['.next/static/chunks/main.js', '.next'],
    ['.next/static/media/cache/font.woff2', '.next'],
    ['.next/server/chunks/1.js', '.next'],
    ['.next/server/app/blog/page.js', '.next'],
    ['.next/server/app/blog/page.js.nft.json', '.next'],
    ['.next/server/middleware-manifest.json', '.next'],
    ['node_modules/next/dist/server/app/x.html', '.next'],
    ['node_modules/keyv/cache/data', '.next'],
    ['node_modules/swagger-ui/public/index.html', '.next'],
    ['apps/web/node_modules/next/package.json', 'apps/web/.next'],
  ])('%s, where distDir is %s', (path, distDir) => {
    expect(isCode(path, distDir)).toBe(true)
    expect(isCacheOfNext(path, distDir)).toBe(false)
    expect(mayBeShared(path, distDir)).toBe(true)
  })

  test('the launcher, of which each release has its own', () => {
    expect(isCode('.gapless/launcher.cjs', '.next')).toBe(true)
    expect(mayBeShared('.gapless/launcher.cjs', '.next')).toBe(false)
  })
})

describe('Next.js writes at run time', () => {
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
  ])('%s, where distDir is %s', (path, distDir) => {
    expect(isCode(path, distDir)).toBe(false)
    expect(isCacheOfNext(path, distDir)).toBe(true)
  })
})

describe('the app may write', () => {
  test.each([
    ['data.db', '.next'],
    ['package.json', '.next'],
    ['.env', '.next'],
    ['data/settings.js', '.next'],
    ['public/logo.png', '.next'],
    ['public/__ENV.js', '.next'],
    ['public/server.js', '.next'],
    ['public/cache/logo.png', '.next'],
    ['public/node_modules/tinymce/skin.css', '.next'],
    ['apps/web/public/node_modules/tinymce/skin.css', 'apps/web/.next'],
    ['apps/other/server.js', 'apps/web/.next'],
    ['.next/server/app/index.html', 'apps/web/.next'],
    ['node_modules/.cache/images/a.webp', '.next'],
  ])('%s, where distDir is %s', (path, distDir) => {
    expect(isCode(path, distDir)).toBe(false)
    expect(isCacheOfNext(path, distDir)).toBe(false)
  })
})

test.each([
  [{ distDir: 'apps/web/build', staticPath: 'apps/web/build/static' }, 'apps/web/build'],
  [{ distDir: null, staticPath: 'apps/web/build/static' }, 'apps/web/build'],
  [{ distDir: null, staticPath: null }, 'apps/web/.next'],
])('distDir of a release that says %j is %s', (said, distDir) => {
  const info: ReleaseInfo = {
    id: '20260101000001',
    ...run,
    created: '',
    built: null,
    entry: 'apps/web/server.js',
    nextVersion: '',
    contentHash: '',
    ...said,
  }
  expect(distDirOf(info)).toBe(distDir)
})
