/** Small Next.js projects of every kind that people have, written as a checkout of their repository has them. */
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { corepackEnvironment, installTools, lock, type PackageManagerKind } from './package-managers.ts'

const picture = join(import.meta.dirname, '..', '..', 'examples', 'next-app', 'app', 'picture.png')

export interface Kind {
  readonly name: string
  readonly next: keyof typeof REACT
  readonly bundler: 'webpack' | 'Turbopack'
  readonly router: 'App' | 'Pages'
  readonly packageManager: PackageManagerKind
  /** The sources lie in `src/`. */
  readonly src?: boolean
  /** The app is `apps/web` in a workspace, and takes its message from the package `packages/shared`. */
  readonly workspace?: boolean
  /** Of the Next.js configuration. */
  readonly config?: {
    readonly basePath?: string
    readonly assetPrefix?: string
    readonly distDir?: string
    readonly output?: string
    readonly i18n?: { readonly locales: readonly string[]; readonly defaultLocale: string }
  }
  /** More of package.json. */
  readonly packageJson?: Readonly<Record<string, unknown>>
  /** With sharp, and with a native module whose binary comes as a package of its own. */
  readonly native?: boolean
  /** Nothing but corepack brings the package manager, where this machine has it. */
  readonly corepack?: boolean
  /** With an instrumentation hook, a file that only `outputFileTracingIncludes` brings along, and `.env` files. */
  readonly extras?: boolean
}

/**
 * Each version of Next.js with a React that it goes with. Yarn locks the compiler for every system, and those for
 * macOS and Windows could not be had in 15.5.29 and 16.4.6.
 */
const REACT = { '14.2.35': '18.3.1', '15.5.28': '19.3.1', '15.5.29': '19.3.1', '16.4.5': '19.3.1' } as const

export interface Checkout {
  /** The repository's folder. */
  readonly path: string
  /** The app's folder. */
  readonly app: string
  readonly workingDirectory: string
  /** What the job's steps before the action would have set up. */
  readonly env: Readonly<Record<string, string>>
  write(file: string, text: string): void
  remove(): void
}

/** Writes the project and lets its package manager make the lockfile, as its author did before committing it. */
export async function checkOutProject(kind: Kind): Promise<Checkout> {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'gapless-project-')))
  const workingDirectory = kind.workspace === true ? 'apps/web' : '.'
  const app = join(path, workingDirectory)
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(path, file)), { recursive: true })
    writeFileSync(join(path, file), text)
  }
  for (const [file, text] of Object.entries(filesOf(kind))) write(join(workingDirectory, file), text)
  if (kind.workspace === true) for (const [file, text] of Object.entries(workspaceOf(kind))) write(file, text)
  write('.gitignore', 'node_modules\n.next\n')
  copyFileSync(picture, join(app, 'public', 'picture.png'))
  const tools = await installTools(kind.packageManager)
  await lock(kind.packageManager, path, tools)
  const env = (kind.corepack === true ? await corepackEnvironment() : undefined) ?? tools
  return {
    path,
    app,
    workingDirectory,
    env,
    write: (file, text) => write(join(workingDirectory, file), text),
    remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }),
  }
}

/** Where a visitor finds the parts of the project. */
export function pathsOf({ config = {} }: Kind) {
  const { basePath: base = '', assetPrefix = base } = config
  return {
    page: base === '' ? '/' : base,
    api: `${base}/api/probe`,
    public: `${base}/hello.txt`,
    base,
    assetPrefix,
  }
}

function filesOf(kind: Kind): Readonly<Record<string, string>> {
  const { router, src = false, extras = false, native = false } = kind
  const sources = { ...(router === 'App' ? appRouter(kind) : pagesRouter(kind)), ...middleware(kind) }
  const within = Object.entries({ ...sources, ...(extras ? instrumentation : {}) })
  return {
    'package.json': JSON.stringify(packageJson(kind), null, 2),
    'next.config.mjs': `export default ${JSON.stringify(configOf(kind), null, 2)}\n`,
    'public/hello.txt': `hello from ${kind.name}\n`,
    ...(native || extras ? { 'data/traced.txt': 'traced' } : {}),
    ...(extras ? envFiles : {}),
    ...Object.fromEntries(within.map(([file, text]) => [src ? `src/${file}` : file, text])),
  }
}

function packageJson({ name, next, bundler, native, workspace, packageJson = {} }: Kind) {
  const major = Number.parseInt(next, 10)
  const flag = major === 16 && bundler === 'webpack' ? ' --webpack' : ''
  const turbopack = major === 15 && bundler === 'Turbopack' ? ' --turbopack' : ''
  return {
    name: name.replaceAll(' ', '-'),
    version: '1.0.0',
    private: true,
    scripts: { build: `next build${flag}${turbopack}`, start: 'next start' },
    dependencies: {
      next,
      react: REACT[next],
      'react-dom': REACT[next],
      ...(native === true ? { sharp: '0.35.5', '@node-rs/bcrypt': '1.10.7' } : {}),
      ...(workspace === true ? { '@acme/shared': '1.0.0' } : {}),
    },
    ...packageJson,
  }
}

function configOf({ next, extras, native, workspace, config = {} }: Kind) {
  const major = Number.parseInt(next, 10)
  const includes = { outputFileTracingIncludes: { '/api/probe': ['./data/**/*'] } }
  const traced = extras === true ? includes : {}
  const shared = workspace === true ? { transpilePackages: ['@acme/shared'] } : {}
  if (major > 14) return { ...config, ...shared, ...traced }
  const hook = extras === true ? { instrumentationHook: true } : {}
  // Later versions know this package by themselves.
  const external = native === true ? { serverComponentsExternalPackages: ['@node-rs/bcrypt'] } : {}
  return { ...config, ...shared, experimental: { ...hook, ...external, ...traced } }
}

/** What runs in the workers: it tells what it found there. */
function probe({ name, native, extras, workspace }: Kind): string {
  return `
${workspace === true ? `import { greeting } from '@acme/shared'` : `const greeting = 'of its own'`}
${native === true ? `import sharp from 'sharp'\nimport { hashSync, verifySync } from '@node-rs/bcrypt'` : ''}
${extras === true ? `import { readFileSync } from 'node:fs'\nimport { join } from 'node:path'` : ''}
export async function probe() {
  return {
    project: ${JSON.stringify(name)},
    greeting,
    pid: process.pid,
    native: ${
      native === true
        ? `{
      bcrypt: verifySync('secret', hashSync('secret', 4)),
      sharp: (await sharp({ create: { width: 2, height: 3, channels: 3, background: '#f00' } }).png().toBuffer({ resolveWithObject: true })).info.height,
    }`
        : 'null'
    },
    traced: ${extras === true ? `readFileSync(join(process.cwd(), 'data', 'traced.txt'), 'utf8')` : 'null'},
    instrumented: globalThis.instrumented ?? null,
    env: Object.fromEntries(['FROM_ENV', 'FROM_PRODUCTION', 'FROM_LOCAL', 'FROM_INPUT'].map((key) => [key, process.env[key] ?? null])),
    builtIn: process.env.NEXT_PUBLIC_LOCAL ?? null,
  }
}
`
}

function appRouter(kind: Kind): Readonly<Record<string, string>> {
  return {
    'probe.js': probe(kind),
    'app/layout.js':
      'export default function Layout({ children }) {\n  return <html lang="en"><body>{children}</body></html>\n}\n',
    'app/page.js': `import { Counter } from '../counter'\nexport default function Page() {\n  return <main><h1>page of ${kind.name}</h1><Counter /></main>\n}\n`,
    'counter.js': `'use client'\nimport { useState } from 'react'\nexport function Counter() {\n  const [count, setCount] = useState(0)\n  return <button onClick={() => setCount(count + 1)}>{count}</button>\n}\n`,
    'app/items/[id]/page.js': `export const dynamic = 'force-dynamic'\nexport default async function Item({ params }) {\n  const { id } = await params\n  return <p>item {id}</p>\n}\n`,
    'app/api/probe/route.js': `import { probe } from '../../../probe'\nexport const dynamic = 'force-dynamic'\nexport async function GET() {\n  return Response.json(await probe())\n}\n`,
  }
}

function pagesRouter(kind: Kind): Readonly<Record<string, string>> {
  return {
    'probe.js': probe(kind),
    'pages/index.js': `import { useRouter } from 'next/router'\nexport default function Page() {\n  const { locale } = useRouter()\n  return <main><h1>page of ${kind.name}</h1><p>{'locale ' + (locale ?? 'none')}</p></main>\n}\n`,
    'pages/items/[id].js': `export const getServerSideProps = async ({ params }) => ({ props: { id: params.id } })\nexport default function Item({ id }) {\n  return <p>{'item ' + id}</p>\n}\n`,
    'pages/api/probe.js': `import { probe } from '../../probe'\nexport default async function handler(request, response) {\n  response.json(await probe())\n}\n`,
  }
}

/** Next.js 16 calls it proxy. It rewrites one path, as an app does that puts the language into it. */
function middleware({ next, name }: Kind): Readonly<Record<string, string>> {
  const word = next.startsWith('16') ? 'proxy' : 'middleware'
  const code = `import { NextResponse } from 'next/server'\nexport function ${word}(request) {\n  const url = request.nextUrl.clone()\n  const isRewritten = url.pathname === '/rewritten'\n  if (isRewritten) url.pathname = '/items/7'\n  const response = isRewritten ? NextResponse.rewrite(url) : NextResponse.next()\n  response.headers.set('x-passed', ${JSON.stringify(name)})\n  return response\n}\n`
  return { [`${word}.js`]: code }
}

const instrumentation = {
  'instrumentation.js': `export function register() {\n  globalThis.instrumented = process.env.NEXT_RUNTIME\n}\n`,
}

/** What Next.js reads of these, and when, is what docs/projects.md says. */
const envFiles = {
  '.env': 'FROM_ENV=env\nFROM_INPUT=env\n',
  '.env.production': 'FROM_PRODUCTION=production\n',
  '.env.local': 'FROM_LOCAL=secret-of-the-laptop\nNEXT_PUBLIC_LOCAL=built-in\n',
}

function workspaceOf({ packageManager, packageJson = {} }: Kind): Readonly<Record<string, string>> {
  const root = {
    name: 'repository',
    private: true,
    ...(packageManager === 'pnpm' ? {} : { workspaces: ['apps/*', 'packages/*'] }),
    ...('packageManager' in packageJson ? { packageManager: packageJson['packageManager'] } : {}),
  }
  return {
    'package.json': JSON.stringify(root, null, 2),
    ...(packageManager === 'pnpm'
      ? { 'pnpm-workspace.yaml': 'packages:\n  - apps/*\n  - packages/*\nlinkWorkspacePackages: true\n' }
      : {}),
    'packages/shared/package.json': JSON.stringify({
      name: '@acme/shared',
      version: '1.0.0',
      private: true,
      exports: './index.js',
    }),
    'packages/shared/index.js': `export const greeting = 'shared'\n`,
  }
}
