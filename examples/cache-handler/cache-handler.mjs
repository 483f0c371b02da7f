/** A cacheHandler for Next.js: one cache in Redis for all workers on all servers. */
import { setTimeout as delay } from 'node:timers/promises'
import { deserialize, serialize } from 'node:v8'
import { createClient, RESP_TYPES } from 'redis'

/** Lifetime of an entry, in seconds. */
const KEPT = 30 * 24 * 3600
/** Time limit for an answer of Redis, in ms. After it the page is rendered without the cache. */
const PATIENCE = 500
/** Redis hash with the time at which each tag was last revalidated. */
const TAGS = 'revalidated'

/** Undefined outside a release, such as in a build. */
const release = /\/releases\/(\d{14})(\/|$)/.exec(process.cwd())?.[1]
const client = createClient({
  url: process.env.REDIS_URL,
  disableOfflineQueue: true,
  pingInterval: 2000,
  socket: {
    connectTimeout: 2000,
    socketTimeout: 5000,
    // By default the client stops reconnecting after a connection timed out.
    reconnectStrategy: () => 1000,
  },
})
const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
/** Tags that were revalidated while Redis was unreachable. */
const unsent = new Set()
let reported

client.on('error', report)
client.on('ready', () => {
  reported = undefined
  sendTags().catch(report)
})
if (release !== undefined) client.connect().catch(report)

export default class CacheHandler {
  async get(key, { tags = [], softTags = [] } = {}) {
    if (!client.isReady) return null
    try {
      await sendTags()
      const found = await answer(binary.get(nameOf(key)))
      if (found === null) return null
      const entry = deserialize(found)
      const all = [...entry.tags, ...tags, ...softTags]
      const times = all.length === 0 ? [] : await answer(client.hmGet(TAGS, all))
      if (times.some((time) => Number(time) >= entry.lastModified)) return null
      return isYoung(entry) ? { ...entry, lastModified: Date.now() } : entry
    } catch (error) {
      report(error)
      return null
    }
  }

  async set(key, value, { tags = [], cacheControl } = {}) {
    if (!client.isReady) return
    try {
      const ofPage = value?.headers?.['x-next-cache-tags']?.split(',') ?? []
      const entry = { value, cacheControl, tags: [...tags, ...ofPage], lastModified: await now() }
      await answer(client.set(nameOf(key), serialize(entry), { EX: KEPT }))
    } catch (error) {
      report(error)
    }
  }

  async revalidateTag(tags) {
    for (const tag of [tags].flat()) unsent.add(tag)
    if (client.isReady) await sendTags().catch(report)
  }

  resetRequestCache() {}
}

async function sendTags() {
  const tags = [...unsent]
  if (tags.length === 0) return
  unsent.clear()
  try {
    const time = String(await now())
    await answer(client.hSet(TAGS, Object.fromEntries(tags.map((tag) => [tag, time]))))
  } catch (error) {
    for (const tag of tags) unsent.add(tag)
    throw error
  }
}

/**
 * Next.js 15 ignores the lifetime of an entry. It knows the lifetime of pages that the build or the same worker
 * rendered, and treats all other entries as stale after one second.
 */
function isYoung({ lastModified, cacheControl }) {
  const { revalidate } = cacheControl ?? {}
  return revalidate === false || Date.now() < lastModified + revalidate * 1000
}

/** Milliseconds by the clock of Redis, because the clocks of the servers may differ. */
async function now() {
  const [seconds, microseconds] = await answer(client.time())
  return Number(seconds) * 1000 + Number(microseconds) / 1000
}

async function answer(command) {
  const late = delay(PATIENCE, undefined, { ref: false }).then(() => {
    throw new Error(`Redis did not answer within ${PATIENCE} ms`)
  })
  return Promise.race([command, late])
}

function nameOf(key) {
  return `${release}:${key}`
}

/** Logs an error once, until another one occurs. */
function report({ message, code }) {
  if (reported !== (message || code)) console.error(`cache: ${message || code}`)
  reported = message || code
}
