/**
 * An app with one of everything that Next.js caches. Each part says which release made it, and has a name that no
 * other rendering has: whoever shows the same name shows the same entry.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from './docs.ts'
import { type NextVersion, writeApp } from './written-app.ts'

const examples = join(import.meta.dirname, '..', '..', 'examples')
const cacheHandler = join(examples, 'cache-handler', 'cache-handler.mjs')

export interface CachedApp {
  readonly path: string
  setMessage(message: string): void
  remove(): void
}

/** What is cached, and what the app is asked for to revalidate it. */
export const cached = {
  'a page': { path: '/page', revalidate: '/api/revalidate?path=/page' },
  'a page of many, rendered when asked for': {
    path: '/items/one',
    revalidate: '/api/revalidate?path=/items/one',
  },
  'a page with a tag': { path: '/news', revalidate: '/api/revalidate?tag=news' },
  'data that a dynamic page shows': { path: '/api/data', revalidate: '/api/revalidate?tag=data' },
  'the answer of a route': { path: '/api/kept', revalidate: '/api/revalidate?path=/api/kept' },
  'a page of the Pages Router': { path: '/old', revalidate: '/api/revalidate-old' },
} as const

/** With the configuration of docs/many-servers.md and the cache handler of examples/cache-handler. */
export function createCachedApp(version: NextVersion): CachedApp {
  const files = {
    ...FILES,
    'next.config.mjs': codeOf('many-servers.md', 'js', '`next.config.mjs`:'),
    'cache-handler.mjs': readFileSync(cacheHandler, 'utf8'),
  }
  return writeApp('cached', version, files, { redis: '6.3.1' })
}

const PAGE = `export const revalidate = 3600
export default function Page() {
  return <p>{made()}</p>
}
`

/** Pages, data and routes of which each is cached. `made.js` says what they show. */
export const CACHED_FILES: Readonly<Record<string, string>> = {
  'app/layout.js': `export default function Layout({ children }) {
  return <html lang="en"><body>{children}</body></html>
}
`,
  'app/page/page.js': `import { made } from '../../made'\n${PAGE}`,
  'app/items/[id]/page.js': `import { made } from '../../../made'
export const generateStaticParams = () => []
${PAGE}`,
  'app/news/page.js': `import { unstable_cache } from 'next/cache'
import { made } from '../../made'
const news = unstable_cache(async () => made(), ['news'], { tags: ['news'] })
export const revalidate = 3600
export default async function Page() {
  return <p>{await news()}</p>
}
`,
  'app/api/data/route.js': `import { unstable_cache } from 'next/cache'
import { made } from '../../../made'
export const dynamic = 'force-dynamic'
const data = unstable_cache(async () => made(), ['data'], { tags: ['data'] })
export const GET = async () => new Response(await data())
`,
  'app/api/kept/route.js': `import { made } from '../../../made'
export const dynamic = 'force-static'
export const GET = () => new Response(made())
`,
  'app/api/health/route.js': `export const dynamic = 'force-dynamic'
export const GET = () => Response.json({ ok: true })
`,
  'pages/old.js': `import { made } from '../made'
export const getStaticProps = () => ({ props: { made: made() }, revalidate: 3600 })
export default function Page({ made }) {
  return <p>{made}</p>
}
`,
  'pages/api/revalidate-old.js': `export default async function handler(request, response) {
  await response.revalidate('/old')
  response.end('done')
}
`,
}

const FILES: Readonly<Record<string, string>> = {
  ...CACHED_FILES,
  'made.js': `import { message } from './message'
export const made = () => '[' + message + ' ' + crypto.randomUUID() + ']'
`,
  'app/api/revalidate/route.js': `import { revalidatePath, revalidateTag } from 'next/cache'
export const dynamic = 'force-dynamic'
export const GET = ({ nextUrl: { searchParams } }) => {
  const [tag, path] = ['tag', 'path'].map((name) => searchParams.get(name))
  if (tag !== null) revalidateTag(tag, 'max')
  if (path !== null) revalidatePath(path)
  return new Response('done')
}
`,
}
