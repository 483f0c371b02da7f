/**
 * An app that shows a version, kept in a file, in every way in which Next.js caches. What it shows is
 * `[release version rendering]`: an old version is stale, and two answers with one rendering come from one entry.
 */
import { CACHED_FILES } from './cached-app.ts'
import { type NextVersion, writeApp } from './written-app.ts'

/** One way to cache: where it is shown, and what the app is asked for to revalidate it. */
export interface Cached {
  readonly path: string
  readonly revalidate: string
  /** The old content may be shown until it has been rendered again in the background. */
  readonly mayBeOldOnce?: boolean
}

export interface RevalidatedApp {
  readonly path: string
  readonly kinds: Readonly<Record<string, Cached>>
  setMessage(message: string): void
  write(file: string, text: string): void
  remove(): void
}

const KINDS: Readonly<Record<string, Cached>> = {
  'a page': { path: '/page', revalidate: '/api/revalidate?path=/page' },
  'a page rendered when asked for': { path: '/items/one', revalidate: '/api/revalidate?path=/items/one' },
  'a page with a tag': { path: '/news', revalidate: '/api/revalidate?tag=news' },
  'data of unstable_cache': { path: '/api/data', revalidate: '/api/revalidate?tag=data' },
  'data of fetch': { path: '/api/fetched', revalidate: '/api/revalidate?tag=fetched' },
  'the answer of a route': { path: '/api/kept', revalidate: '/api/revalidate?path=/api/kept' },
  'a page of the Pages Router': { path: '/old', revalidate: '/api/revalidate-old' },
}

/** What only Next.js 16 has. */
const KINDS_OF_16: Readonly<Record<string, Cached>> = {
  'a page with a tag, revalidated in the background': {
    path: '/news',
    revalidate: '/api/revalidate?tag=news&profile=max',
    mayBeOldOnce: true,
  },
  'data of use cache': { path: '/api/used', revalidate: '/api/revalidate?tag=used' },
  'data of use cache, after updateTag': { path: '/api/used', revalidate: '/update' },
  'a page with a tag, after updateTag': { path: '/news', revalidate: '/update' },
}

export function createRevalidatedApp(version: NextVersion): RevalidatedApp {
  const isLatest = version.next.startsWith('16')
  const app = writeApp('revalidated', version, { ...FILES, ...(isLatest ? FILES_OF_16 : {}) })
  // From 16 on without a second argument it only warns.
  if (!isLatest) app.write('revalidate-tag.js', `export { revalidateTag } from 'next/cache'\n`)
  return { ...app, kinds: isLatest ? { ...KINDS, ...KINDS_OF_16 } : KINDS }
}

const FILES: Readonly<Record<string, string>> = {
  ...CACHED_FILES,
  'message.js': `export const message = 'first'\n`,
  'made.js': `import { readFileSync } from 'node:fs'
import { message } from './message'
export const version = () => {
  try {
    return readFileSync(/* turbopackIgnore: true */ process.env.VERSION_FILE ?? '/none', 'utf8').trim()
  } catch {
    return 'built'
  }
}
export const made = (shown = version()) => '[' + message + ' ' + shown + ' ' + crypto.randomUUID() + ']'
`,
  'app/api/fetched/route.js': `export const dynamic = 'force-dynamic'
export async function GET({ nextUrl }) {
  const answer = await fetch('http://localhost:' + process.env.PORT + '/api/source', { cache: 'force-cache', next: { tags: ['fetched'] } })
  return new Response(await answer.text())
}
`,
  'app/api/source/route.js': `import { made } from '../../../made'
export const dynamic = 'force-dynamic'
export const GET = () => new Response(made())
`,
  'app/api/revalidate/route.js': `import { revalidatePath } from 'next/cache'
import { revalidateTag } from '../../../revalidate-tag'
export const dynamic = 'force-dynamic'
export const GET = ({ nextUrl: { searchParams } }) => {
  const [tag, path, profile] = ['tag', 'path', 'profile'].map((name) => searchParams.get(name))
  if (tag !== null) revalidateTag(tag, profile ?? { expire: 0 })
  if (path !== null) revalidatePath(path)
  return new Response('done')
}
`,
}

const FILES_OF_16: Readonly<Record<string, string>> = {
  'next.config.mjs': `export default { experimental: { useCache: true } }\n`,
  'revalidate-tag.js': `export { revalidateTag } from 'next/cache'\n`,
  'app/api/used/route.js': `import { cacheLife, cacheTag } from 'next/cache'
import { made } from '../../../made'
export const dynamic = 'force-dynamic'
async function used() {
  'use cache'
  cacheLife('hours')
  cacheTag('used')
  return made()
}
export const GET = async () => new Response(await used())
`,
  'app/update/page.js': `import { updateTag } from 'next/cache'
export const dynamic = 'force-dynamic'
export default function Page() {
  async function update() {
    'use server'
    updateTag('used')
    updateTag('news')
  }
  return <form action={update}><button>Update</button></form>
}
`,
}
