/**
 * How long Next.js 16 takes to find a page in its cache, in this process alone: `lookup.ts <server.js> <page> <shared>`.
 * Prints microseconds.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { takeOverCache } from '../../src/worker/shared-cache/next-cache.ts'
import { openRevalidationFile } from '../../src/worker/shared-cache/revalidation-file.ts'

interface Incremental {
  get(key: string, context: object): Promise<unknown>
}

const [entry = '', page = '', shared] = process.argv.slice(2)
const require = createRequire(entry)
const distDir = join(dirname(entry), '.next')
const own = mkdtempSync(join(tmpdir(), 'gapless-lookup-'))
const TIMES = 50_000
const ROUNDS = 5

process.env['NODE_ENV'] = 'production'
if (shared === 'true') {
  const revalidated = openRevalidationFile(join(own, 'revalidated'), {
    mayWrite: true,
    onTrouble: (problem) => {
      throw new Error(String(problem))
    },
  })
  takeOverCache({
    entry,
    revalidated,
    handler: { created: 0, built: null, previewModeId: () => null },
    onUnknown: (why) => {
      throw new Error(why)
    },
  })
}
// What has to be there before anything else of Next.js.
const server = 'next/dist/server'
require(`${server}/node-environment`)
const lib = `${server}/lib`
const { IncrementalCache } = require(`${lib}/incremental-cache/index.js`) as {
  IncrementalCache: new (options: object) => Incremental
}
const { nodeFs } = require(`${lib}/node-fs-methods.js`) as { nodeFs: object }
const options = {
  fs: nodeFs,
  dev: false,
  flushToDisk: true,
  minimalMode: false,
  serverDistDir: join(distDir, 'server'),
  requestHeaders: {},
  maxMemoryCacheSize: 50 * 1024 * 1024,
  prerenderManifest: JSON.parse(readFileSync(join(distDir, 'prerender-manifest.json'), 'utf8')) as object,
  previewProps: { previewModeId: 'none' },
}
const context = {
  kind: 'APP_PAGE',
  route: { kind: 'APP_PAGE', sourceRoute: `${page}/page` },
  isFallback: false,
}

// As a request does: a cache of its own, and one look-up.
const lookUp = async () => {
  const found = await new IncrementalCache(options).get(page, context)
  if (found === null) throw new Error(`${page} is not in the cache`)
}
for (let times = 0; times < TIMES; times += 1) await lookUp()
let best = Infinity
for (let round = 0; round < ROUNDS; round += 1) {
  const begun = performance.now()
  for (let times = 0; times < TIMES; times += 1) await lookUp()
  best = Math.min(best, performance.now() - begun)
}
console.log(((best * 1000) / TIMES).toFixed(1))
rmSync(own, { recursive: true, force: true })
