/** An app that shows how it was started: what it is told of its server, and all ways in which Next.js uses its address. */
import type { Checkout, Kind } from './projects.ts'

const config = `export default {
  async redirects() {
    return [{ source: '/old/:path*', destination: '/en/:path*', permanent: true }]
  },
  async rewrites() {
    return [{ source: '/rewritten-by-config', destination: '/en/about' }]
  },
}
`

/** As next-intl and its like do: the locale goes into the path, and visitors do not see that. */
const middleware = (word: string) => `import { NextResponse } from 'next/server'
export function ${word}(request) {
  const url = request.nextUrl.clone()
  if (url.pathname === '/seen-by-middleware') {
    return NextResponse.json({ url: request.url, origin: url.origin, host: request.headers.get('host') })
  }
  if (url.pathname === '/redirected-by-middleware') return NextResponse.redirect(new URL('/en/about?from=middleware', request.url))
  if (/^\\/(en|de)(\\/|$)/.test(url.pathname)) return NextResponse.next()
  url.pathname = '/en' + url.pathname
  const response = NextResponse.rewrite(url)
  response.cookies.set('locale', 'en', { path: '/' })
  return response
}
export const config = { matcher: ['/((?!api|_next|old|rewritten-by-config|isr|picture.png).*)'] }
`

const files: Readonly<Record<string, string>> = {
  'next.config.mjs': config,
  'app/[locale]/page.js': `import Image from 'next/image'
import picture from '../../public/picture.png'
export const dynamic = 'force-dynamic'
export default async function Home({ params }) {
  const { locale } = await params
  return <main>home {locale}<Image src={picture} alt="of the build" /><Image src="/picture.png" width={64} height={64} alt="public" /></main>
}
`,
  'app/[locale]/about/page.js': `import { headers } from 'next/headers'
export const dynamic = 'force-dynamic'
export default async function About({ params }) {
  const { locale } = await params
  const given = await headers()
  const names = ['host', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-forwarded-for']
  return <p>about {locale} {JSON.stringify(names.map((name) => given.get(name)))}</p>
}
`,
  'app/[locale]/absolute/page.js': `export const dynamic = 'force-dynamic'
export const metadata = { alternates: { canonical: '/en/absolute' }, openGraph: { images: ['/picture.png'] } }
export default function Absolute() {
  return <p>absolute</p>
}
`,
  'app/[locale]/form/page.js': `import { redirect } from 'next/navigation'
export const dynamic = 'force-dynamic'
async function send(data) {
  'use server'
  if (data.get('name') === 'go') redirect('/en/about?from=action')
  return 'sent ' + data.get('name')
}
export default function Form() {
  return <form action={send}><input name="name" /><button>send</button></form>
}
`,
  'app/api/plain/route.js': `export const dynamic = 'force-dynamic'
export async function GET(request) {
  return Response.json({ url: request.url, href: request.nextUrl.href, host: request.headers.get('host') })
}
`,
  'app/api/process/route.js': `export const dynamic = 'force-dynamic'
export async function GET() {
  const { HOSTNAME = null, PORT = null, NODE_ENV = null, KEEP_ALIVE_TIMEOUT = null, NODE_OPTIONS = null } = process.env
  const [, program, ...args] = process.argv
  const listeners = ['SIGINT', 'SIGTERM', 'SIGHUP', 'uncaughtException'].map((name) => [name, process.listenerCount(name) > 0])
  return Response.json({
    HOSTNAME, PORT, NODE_ENV, KEEP_ALIVE_TIMEOUT, NODE_OPTIONS, listeners,
    program, args, execArgv: process.execArgv, cwd: process.cwd(), origin: process.env.__NEXT_PRIVATE_ORIGIN ?? null,
  })
}
`,
  'app/api/self/route.js': `export const dynamic = 'force-dynamic'
const answer = (url) => fetch(url, { cache: 'no-store' }).then(async (response) => [response.status, await response.text()], ({ cause }) => cause?.code)
export async function GET(request) {
  const { PORT } = process.env
  return Response.json({
    localhost: await answer('http://localhost:' + PORT + '/api/plain'),
    address: await answer('http://127.0.0.1:' + PORT + '/about'),
  })
}
`,
  'app/api/redirect/route.js': `import { redirect } from 'next/navigation'
import { NextResponse } from 'next/server'
export const dynamic = 'force-dynamic'
export async function GET(request) {
  if (request.nextUrl.searchParams.has('relative')) redirect('/en/about')
  return NextResponse.redirect(new URL('/en/about', request.url))
}
`,
  'pages/api/server.js': `export default function handler(request, response) {
  const { server, localPort, remoteAddress } = request.socket
  const { keepAliveTimeout, headersTimeout, requestTimeout, timeout, maxHeadersCount, listening } = server
  const isOwnPort = localPort === Number(process.env.PORT)
  response.json({ address: server.address(), keepAliveTimeout, headersTimeout, requestTimeout, timeout, maxHeadersCount, listening, isOwnPort, remoteAddress })
}
`,
  'pages/isr.js': `export default function Isr({ at }) {
  return <p>at {at}</p>
}
export const getStaticProps = async () => ({ props: { at: 'fixed' }, revalidate: 3600 })
`,
  'pages/api/revalidate.js': `export default async function handler(request, response) {
  await response.revalidate('/isr').then(() => response.json({ revalidated: true }), (error) => response.status(500).json({ error: error.message }))
}
`,
}

/** Puts the app in the place of the project's own pages. */
export function writeComparedApp(checkout: Checkout, { next }: Pick<Kind, 'next'>): void {
  for (const [file, text] of Object.entries(files)) checkout.write(file, text)
  const word = next.startsWith('16') ? 'proxy' : 'middleware'
  checkout.write(`${word}.js`, middleware(word))
}
