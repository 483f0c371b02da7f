/** The import rules of the design: one way of flow, and one room for each kind of knowledge. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, test } from '@jest/globals'

const root = join(import.meta.dirname, '..', 'src')

interface Source {
  /** Relative to src. */
  readonly path: string
  readonly code: string
  readonly imports: readonly Import[]
}

interface Import {
  /** A package, `node:…`, or a path relative to src. */
  readonly of: string
  /** Gone when it runs. */
  readonly typeOnly: boolean
}

const sources: readonly Source[] = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map((path) => {
    const code = withoutComments(readFileSync(join(root, path), 'utf8'))
    return { path, code, imports: importsOf(path, code) }
  })

function withoutComments(code: string): string {
  return code.replace(/\/\*\*?[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}

function importsOf(path: string, code: string): readonly Import[] {
  const statements = [...code.matchAll(/^(?:import|export)\b(?:([^'"`;=(]*?)\bfrom)? '([^']+)'/gm)]
  const calls = [...code.matchAll(/\b(?:import|require)\('([^']+)'\)/g)]
  return [
    ...statements.map(([, what = '', of = '']) => ({ of, typeOnly: /^\s*type\b/.test(what) })),
    ...calls.map(([, of = '']) => ({ of, typeOnly: false })),
  ].map((found) =>
    found.of.startsWith('.') ? { ...found, of: posix.join(posix.dirname(path), found.of) } : found,
  )
}

const inFolder = (folder: string) => (path: string) => path.startsWith(`${folder}/`)
const isNode = (of: string) => of.startsWith('node:')
const isPackage = (of: string) => !isNode(of) && !of.endsWith('.ts')

/** `<file> -> <import>` for every import that breaks a rule. */
function breaches(files: (path: string) => boolean, allowed: (found: Import) => boolean): readonly string[] {
  return sources
    .filter(({ path }) => files(path))
    .flatMap(({ path, imports }) =>
      imports.filter((found) => !allowed(found)).map(({ of }) => `${path} -> ${of}`),
    )
}

test('the rules look at the real sources', () => {
  const connection = sources.find(({ path }) => path === 'ssh/connection.ts')
  expect(connection?.imports).toContainEqual({ of: 'ssh2', typeOnly: false })
  expect(connection?.imports).toContainEqual({ of: 'common/failure.ts', typeOnly: false })
  expect(sources.length).toBeGreaterThan(60)
  for (const { path, imports } of sources) {
    for (const { of } of imports.filter((found) => found.of.endsWith('.ts')))
      expect({ path, of, exists: sources.some((source) => source.path === of) }).toMatchObject({
        exists: true,
      })
  }
})

test('every room has its row in CONTRIBUTING.md', () => {
  const page = readFileSync(join(root, '..', 'CONTRIBUTING.md'), 'utf8').split('\n## ')
  const table = page.find((section) => section.startsWith('The rooms')) ?? ''
  const described = [...table.matchAll(/^\| `([\w/-]+)\/` /gm)].map(([, room]) => room)
  expect(new Set(described)).toEqual(new Set(Object.keys(rooms)))
})

/** Which rooms a room may import. Every room may import itself. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  common: [],
  protocol: ['common'],
  worker: ['common', 'protocol'],
  inputs: ['common'],
  next: ['common'],
  ssh: ['common'],
  'agent-client': ['common', 'protocol'],
  transfer: ['common', 'protocol'],
  hosts: ['common', 'protocol', 'ssh', 'agent-client'],
  phases: ['common', 'protocol', 'hosts', 'next', 'transfer'],
  commands: ['common', 'protocol', 'hosts', 'phases', 'transfer'],
  report: ['common', 'protocol'],
  github: ['common'],
  'agent/system': ['common', 'protocol'],
  'agent/store': ['common', 'protocol', 'agent/system'],
  'agent/pm2': ['common', 'protocol', 'agent/system', 'agent/store', 'worker'],
  'agent/upload': ['common', 'protocol', 'agent/system', 'agent/store'],
  'agent/activation': ['common', 'protocol', 'agent/system', 'agent/store', 'agent/pm2', 'worker'],
  'agent/operations': [
    'common',
    'protocol',
    'agent/system',
    'agent/store',
    'agent/pm2',
    'agent/upload',
    'agent/activation',
  ],
}
/** The files outside any room, which hold what a run is made of, and who may import each. */
const shared: Readonly<Record<string, readonly string[]>> = {
  'plan.ts': ['hosts', 'phases', 'commands', 'report', 'github'],
  'pipeline.ts': ['hosts', 'phases', 'commands', 'report', 'github'],
  'outcome.ts': ['phases', 'commands', 'report', 'github'],
}
/** Imports that are gone when the program runs: types which cross a border. */
const types: Readonly<Record<string, readonly string[]>> = {
  inputs: ['protocol/messages.ts', 'ssh/connection.ts'],
  transfer: ['next/layers.ts'],
  phases: ['inputs/index.ts', 'agent-client/agent-session.ts'],
  commands: ['agent-client/programs.ts', 'next/project.ts'],
  report: ['inputs/index.ts'],
  github: ['inputs/index.ts'],
  'agent-client': ['agent/operations/index.ts'],
}

function roomOf(path: string): string | null {
  const [first, second, third] = path.split('/')
  if (first === 'agent') return third === undefined ? null : `agent/${second}`
  return second === undefined ? null : first!
}

describe('each room imports', () => {
  test.each(Object.entries(rooms))('%s: itself and %j', (room, known) => {
    const reachable = [room, ...known].map(inFolder)
    const allowed = ({ of, typeOnly }: Import) =>
      isNode(of) ||
      isPackage(of) ||
      reachable.some((inside) => inside(of)) ||
      (shared[of]?.includes(room) ?? false) ||
      (typeOnly && (types[room]?.includes(of) ?? false))
    expect(breaches(inFolder(room), allowed)).toEqual([])
  })

  test('and there are no other rooms', () => {
    const found = new Set(sources.map(({ path }) => roomOf(path)))
    expect([...found].filter((room) => room !== null).toSorted()).toEqual(Object.keys(rooms).toSorted())
  })

  test('and every exception is still needed', () => {
    const stale = Object.entries(types).flatMap(([room, files]) =>
      files
        .filter((file) => breaches(inFolder(room), ({ of }) => of !== file).length === 0)
        .map((file) => `${room} -> ${file}`),
    )
    expect(stale).toEqual([])
  })
})

describe('an activation', () => {
  const room = inFolder('agent/activation')
  const isPure = (path: string) =>
    ['state', 'decide', 'judge'].some((name) => path === `agent/activation/${name}.ts`)
  /** What brings an activation to its verdict, on a real server or a simulated one. */
  const steps = [
    'activation',
    'conclude',
    'converge',
    'facts',
    'go-live',
    'restore',
    'run',
    'serve',
    'swap',
    'watch',
    'world',
  ]
  const isStep = (path: string) => steps.some((name) => path === `agent/activation/${name}.ts`)

  test('is decided by pure functions, which import types, the protocol and the words of errors alone', () => {
    expect(sources.filter(({ path }) => isPure(path))).toHaveLength(3)
    const isWords = inFolder('common/errors')
    expect(
      breaches(isPure, ({ of, typeOnly }) => typeOnly || isWords(of) || of === 'protocol/messages.ts'),
    ).toEqual([])
    expect(breaches(isWords, ({ of }) => isWords(of) || of === 'common/failure.ts')).toEqual([])
  })

  test('touches clock, files, signals and PM2 through its world alone', () => {
    expect(sources.filter(({ path }) => isStep(path))).toHaveLength(steps.length)
    const touching = ({ of }: Import) =>
      isNode(of) || inFolder('agent/activation/server')(of) || inFolder('agent/store')(of)
    expect(breaches(isStep, (found) => found.typeOnly || !touching(found))).toEqual([])
    const reads = sources.filter(
      ({ path, code }) =>
        isStep(path) && /\b(?:process\.(?:kill|env|exit)|Date\.now|performance\.|setTimeout)/.test(code),
    )
    expect(reads.map(({ path }) => path)).toEqual([])
    expect(sources.some(({ path }) => room(path) && path.includes('/server/'))).toBe(true)
  })
})

describe('a package is known in one room:', () => {
  const owners: readonly [string, (path: string) => boolean][] = [
    ['ssh2', inFolder('ssh')],
    ['package-manager-detector', inFolder('next')],
    ['semver', inFolder('next')],
    ['@actions/core', inFolder('report')],
    ['@actions/http-client', inFolder('github')],
    ['@actions/exec', (path) => path === 'next/command.ts'],
    ['@actions/io', (path) => path === 'next/command.ts'],
  ]
  test.each(owners)('%s', (name, owns) => {
    const others = (path: string) => !owns(path)
    expect(breaches(others, ({ of }) => of !== name && !of.startsWith(`${name}/`))).toEqual([])
  })

  test('and there are no others', () => {
    const known = new Set(owners.map(([name]) => name))
    expect(
      breaches(
        () => true,
        ({ of }) => !isPackage(of) || known.has(of),
      ),
    ).toEqual([])
  })
})

describe('the flow has one way:', () => {
  test('the programs on the server import no package', () => {
    const onServer = (path: string) =>
      ['agent', 'worker', 'common', 'protocol'].some((room) => inFolder(room)(path))
    expect(breaches(onServer, ({ of }) => !isPackage(of))).toEqual([])
  })

  test('the commands are started by the entry alone', () => {
    const outside = (path: string) => !inFolder('commands')(path) && path !== 'main.ts'
    expect(breaches(outside, ({ of }) => !inFolder('commands')(of))).toEqual([])
  })

  test('the entries are imported by nobody', () => {
    const entries = new Set(['main.ts', 'agent/index.ts', 'worker/index.ts'])
    expect(
      breaches(
        () => true,
        ({ of }) => !entries.has(of),
      ),
    ).toEqual([])
  })

  test('no file needs itself, however far around, not even for types', () => {
    const needs = new Map(sources.map(({ path, imports }) => [path, imports.map(({ of }) => of)]))
    const circles = sources.flatMap(({ path }) => {
      const reached = new Set<string>()
      const waiting = [...(needs.get(path) ?? [])]
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        if (reached.has(next)) continue
        reached.add(next)
        waiting.push(...(needs.get(next) ?? []))
      }
      return reached.has(path) ? [path] : []
    })
    expect(circles).toEqual([])
  })
})

test('the log has one writer', () => {
  const writers = (pattern: RegExp) =>
    sources.filter(({ code }) => pattern.test(code)).map(({ path }) => path)
  expect(
    writers(/\bcore\.(?:info|notice|warning|error|debug|setFailed|startGroup|group|setSecret)\b/),
  ).toEqual(['report/log.ts'])
  // The build's tools print for themselves; bootstrap.ts holds a program for the server, as agent/ and worker/ do.
  const printers = writers(/\bconsole\.|\bprocess\.std(?:out|err)\b/)
  expect(printers.filter((path) => !/^(?:agent|worker)\//.test(path))).toEqual([
    'agent-client/bootstrap.ts',
    'next/build.ts',
    'phases/build.ts',
  ])
})

test('the environment is read in few places', () => {
  const readers = sources.filter(({ code }) => /\bprocess\.env\b/.test(code)).map(({ path }) => path)
  const allowed = (path: string) =>
    ['agent', 'worker', 'report'].some((room) => inFolder(room)(path)) ||
    // The user's install, build and test commands run in the job's environment.
    ['build', 'server-actions', 'step-environment'].some((name) => path === `next/${name}.ts`) ||
    // Where the runner has room, as os.tmpdir() reads it too.
    path === 'transfer/packer.ts' ||
    path === 'main.ts' ||
    path === 'inputs/index.ts'
  expect(readers.filter((path) => !allowed(path))).toEqual([])
  expect(readers).toContain('main.ts')
})
