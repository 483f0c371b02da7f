/**
 * An app with one of everything that a page loaded before a deploy may still want: App and Pages Router, lazy
 * chunks, server actions with and without a closure, links, images. Each release's files have names of its own.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type NextVersion, writeApp } from './written-app.ts'

const picture = readFileSync(
  join(import.meta.dirname, '..', '..', 'examples', 'next-app', 'app', 'picture.png'),
)

export interface VisitedApp {
  readonly path: string
  /** The text that tells one release from another; it is part of every chunk. */
  setMessage(message: string): void
  /** Changes the one page `/next`. */
  addToPage(markup: string): void
  write(file: string, content: string | Buffer): void
  remove(): void
}

export function createVisitedApp(version: NextVersion): VisitedApp {
  const app = writeApp('visited', version, FILES)
  return {
    ...app,
    setMessage(message) {
      app.setMessage(message)
      // What follows the end of a PNG is no part of the picture, but of its hash.
      app.write('picture.png', Buffer.concat([picture, Buffer.from(message)]))
    },
    addToPage: (markup) => app.write('parts/next-page.jsx', nextPage(markup)),
  }
}

const CLIENT = `'use client'\n`

/** The same in both routers. */
const LAZY = `import dynamic from 'next/dynamic'
import { useState } from 'react'
const Part = dynamic(() => import('./part'))
export function Lazy() {
  const [wanted, setWanted] = useState(false)
  return wanted ? <Part /> : <button id="load" onClick={() => setWanted(true)}>Load</button>
}
`
const PART = `import { message } from '../message'
export default function Part() {
  return <p id="part">part of {message}</p>
}
`

const nextPage = (more = '') => `${CLIENT}import { message } from '../message'
export function NextPage() {
  return <><p id="next-page">{'rendered by ' + message}</p>${more}</>
}
`

const FILES: Readonly<Record<string, string>> = {
  'parts/lazy.jsx': CLIENT + LAZY,
  'parts/part.jsx': CLIENT + PART,
  'parts/form.jsx': `${CLIENT}import { useState } from 'react'
import { greet } from './actions'
export function Form() {
  const [result, setResult] = useState('')
  const submit = async (event) => {
    event.preventDefault()
    setResult(await greet(new FormData(event.target).get('name')))
  }
  return <form id="greet" onSubmit={submit}><input name="name" /><button>Greet</button><output id="result">{result}</output></form>
}
`,
  'parts/actions.js': `'use server'
import { message } from '../message'
export async function greet(name) {
  return 'Hello ' + name + ' from ' + message
}
`,
  'parts/next-page.jsx': nextPage(),
  // Browsers ask for it by themselves.
  'public/favicon.ico': '',
  'app/layout.jsx': `export default function Layout({ children }) {
  return <html lang="en"><body>{children}</body></html>
}
`,
  'app/page.jsx': `import Image from 'next/image'
import Link from 'next/link'
import { redirect } from 'next/navigation'
import { message } from '../message'
import picture from '../picture.png'
import { Form } from '../parts/form'
import { Lazy } from '../parts/lazy'
export const dynamic = 'force-dynamic'
export default function Home() {
  const secret = 'bound by ' + message
  async function send() {
    'use server'
    redirect('/done?' + new URLSearchParams({ secret, by: message }))
  }
  return <main>
    <code id="message">{message}</code>
    <Lazy />
    <Form />
    <form id="bound" action={send}><button>Send</button></form>
    <Link id="to-next" href="/next" prefetch={false}>Next</Link>
    <Link id="to-static" href="/static">Static, and prefetched</Link>
    <div style={{ height: 20000 }} />
    <Image id="picture" src={picture} alt="Hills" loading="lazy" />
  </main>
}
`,
  'app/done/page.jsx': `export default async function Done({ searchParams }) {
  const { secret, by } = await searchParams
  return <p id="done">{secret + ', done by ' + by}</p>
}
`,
  'app/next/page.jsx': `import { NextPage } from '../../parts/next-page'
export const dynamic = 'force-dynamic'
export default function Page() {
  return <NextPage />
}
`,
  'app/static/page.jsx': `import { NextPage } from '../../parts/next-page'
export default function Page() {
  return <NextPage />
}
`,
  'app/api/health/route.js': `export const dynamic = 'force-dynamic'
export const GET = () => Response.json({ ok: true })
`,
  'app/api/release/route.js': `import { message } from '../../../message'
export const dynamic = 'force-dynamic'
export const GET = () => Response.json({ message })
`,
  'pages/pages.jsx': `import Link from 'next/link'
import { message } from '../message'
import { Lazy } from '../parts/lazy'
export const getServerSideProps = () => ({ props: { message } })
export default function Pages({ message }) {
  return <main>
    <code id="message">{message}</code>
    <Lazy />
    <Link id="to-props" href="/pages-props">Props of each request</Link>
    <Link id="to-built" href="/pages-built" prefetch={false}>Props of the build</Link>
  </main>
}
`,
  'pages/pages-props.jsx': `import { message } from '../message'
export const getServerSideProps = () => ({ props: { data: message } })
export default function Page({ data }) {
  return <p id="next-page">{'rendered by ' + message + ' with data of ' + data}</p>
}
`,
  'pages/pages-built.jsx': `import { message } from '../message'
export const getStaticProps = () => ({ props: { data: message } })
export default function Page({ data }) {
  return <p id="next-page">{'rendered by ' + message + ' with data of ' + data}</p>
}
`,
}
