/**
 * A server of Next.js that times its own look-ups into the cache: `lookup.ts <server.js> <shared>`, with `PORT` set.
 * A message asks for the median of the look-ups since the last message, and gets it in microseconds.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { takeOverCache } from '../../src/worker/shared-cache/next-cache.ts'
import { openRevalidationFile } from '../../src/worker/shared-cache/revalidation-file.ts'
import { median } from '../median.ts'

interface Handler {
  get(...question: readonly unknown[]): Promise<unknown>
}
type HandlerClass = new (context: unknown) => Handler

/** In the app's Next.js, which this project does not depend on. */
const FOLDER = 'next/dist/server/lib/incremental-cache'
const HANDLERS = Symbol.for('@next/cache-handlers')

const [entry = '', shared] = process.argv.slice(2)
const require = createRequire(entry)
const folder = mkdtempSync(join(tmpdir(), 'gapless-lookup-'))
process.once('disconnect', () => process.exit())
process.once('exit', () => {
  rmSync(folder, { recursive: true, force: true })
})

if (shared === 'true') {
  const fail = (why: string | null) => {
    throw new Error(String(why))
  }
  const revalidated = openRevalidationFile(join(folder, 'revalidated'), { mayWrite: true, onTrouble: fail })
  const handler = { created: 0, built: null, previewModeId: () => null }
  takeOverCache({ entry, revalidated, handler, onUnknown: fail })
}
timeLookUps()
require(entry)

let times: number[] = []
process.on('message', () => {
  process.send?.(median(times))
  times = []
})

function timeLookUps(): void {
  const handlers = globalThis as { [HANDLERS]?: { FetchCache: HandlerClass } }
  const own = handlers[HANDLERS]?.FetchCache
  handlers[HANDLERS] = {
    FetchCache: function (context: unknown) {
      const handler = new (own ?? nextCache())(context)
      const get = handler.get.bind(handler)
      handler.get = async (...question) => {
        const begun = performance.now()
        const found = await get(...question)
        times.push((performance.now() - begun) * 1000)
        return found
      }
      return handler
    } as unknown as HandlerClass,
  }
}

function nextCache(): HandlerClass {
  const { default: NextCache } = require(`${FOLDER}/file-system-cache.js`) as {
    default: HandlerClass
  }
  return NextCache
}
