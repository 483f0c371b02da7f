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
  expect(connection?.imports).toContainEqual({ of: 'protocol/failure.ts', typeOnly: false })
  expect(sources.length).toBeGreaterThan(60)
  for (const { path, imports } of sources) {
    for (const { of } of imports.filter((found) => found.of.endsWith('.ts')))
      expect({ path, of, exists: sources.some((source) => source.path === of) }).toMatchObject({
        exists: true,
      })
  }
})

test('every room has its row in docs/architecture.md', () => {
  const page = readFileSync(join(root, '..', 'docs', 'architecture.md'), 'utf8').split('\n## ')
  const table = page.find((section) => section.startsWith('The rooms')) ?? ''
  const described = [...table.matchAll(/^\| `(\w+)\/` /gm)].map(([, room]) => room)
  const rooms = new Set(sources.flatMap(({ path }) => (path.includes('/') ? [path.split('/')[0]!] : [])))
  expect(new Set(described)).toEqual(rooms)
})

describe('each room imports', () => {
  /** Where a room takes a type from, and nothing else. */
  const typesFrom: Readonly<Record<string, string>> = { transfer: 'next/layers.ts' }
  const rooms: readonly [string, readonly string[], boolean][] = [
    // The room, the rooms it may know, and whether Node's own modules.
    ['protocol', [], false],
    ['server', ['protocol'], true],
    ['launcher', ['server', 'protocol'], true],
    ['content', ['protocol'], true],
    ['agent', ['server', 'content', 'protocol'], true],
    ['transfer', ['content', 'protocol'], true],
    ['inputs', ['protocol'], true],
  ]
  test.each(rooms)('%s: nothing but itself and %j (and Node: %s)', (room, known, node) => {
    const own = [room, ...known].map(inFolder)
    const allowed = ({ of }: Import) => (isNode(of) ? node : own.some((inside) => inside(of)))
    const types = ({ of, typeOnly }: Import) => typeOnly && of === typesFrom[room]
    expect(breaches(inFolder(room), (found) => allowed(found) || types(found))).toEqual([])
  })

  test('ssh: Node, ssh2 and the protocol', () => {
    const allowed = ({ of }: Import) =>
      isNode(of) || of === 'ssh2' || inFolder('ssh')(of) || inFolder('protocol')(of)
    expect(breaches(inFolder('ssh'), allowed)).toEqual([])
  })

  test('next: Node, the protocol, what detects the package manager and what runs it', () => {
    const packages = new Set(['package-manager-detector', '@actions/exec', '@actions/io'])
    const allowed = ({ of }: Import) =>
      isNode(of) || packages.has(of) || inFolder('next')(of) || inFolder('protocol')(of)
    expect(breaches(inFolder('next'), allowed)).toEqual([])
  })
})

test('the report is made of what happened: it knows no way in which anything is done', () => {
  const doers = ['phases', 'ssh', 'remote', 'next', 'transfer', 'content'].map(inFolder)
  expect(breaches(inFolder('report'), ({ of }) => !doers.some((inside) => inside(of)))).toEqual([])
})

describe('a package is known in one room:', () => {
  const owners: readonly [string, (path: string) => boolean][] = [
    ['ssh2', inFolder('ssh')],
    ['package-manager-detector', inFolder('next')],
    ['@actions/core', (path) => inFolder('report')(path) || ['main.ts', 'post.ts'].includes(path)],
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
  test('the remote programs are reached through the protocol alone, but for a type', () => {
    const outside = (path: string) => !['agent', 'launcher', 'server'].some((room) => inFolder(room)(path))
    const remote = ({ of }: Import) => ['agent', 'launcher', 'server'].some((room) => inFolder(room)(of))
    expect(breaches(outside, (found) => !remote(found) || found.typeOnly)).toEqual([])
  })

  test('the phases are told by the entries alone, but for a type', () => {
    const outside = (path: string) => !inFolder('phases')(path) && !['main.ts', 'post.ts'].includes(path)
    expect(breaches(outside, ({ of, typeOnly }) => typeOnly || !inFolder('phases')(of))).toEqual([])
  })

  test('the session with the agent is opened by the phases alone, and knows the protocol alone', () => {
    const remote = inFolder('remote')
    const outside = (path: string) => !remote(path) && !inFolder('phases')(path)
    expect(breaches(outside, ({ of }) => !remote(of))).toEqual([])
    const allowed = ({ of, typeOnly }: Import) =>
      isNode(of) || remote(of) || inFolder('protocol')(of) || (typeOnly && of === 'agent/operations.ts')
    expect(breaches(remote, allowed)).toEqual([])
  })

  test('the entries are imported by nobody', () => {
    const entries = new Set(['main.ts', 'post.ts', 'agent/index.ts', 'launcher/index.ts'])
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

test('the environment is read in few places', () => {
  const readers = sources.filter(({ code }) => /\bprocess\.env\b/.test(code)).map(({ path }) => path)
  const allowed = (path: string) =>
    ['agent', 'launcher', 'report'].some((room) => inFolder(room)(path)) ||
    // The user's install and build commands run in the job's environment.
    ['build', 'server-actions'].some((name) => path === `next/${name}.ts`) ||
    // Where the runner has room, as os.tmpdir() reads it too.
    path === 'transfer/unnamed-file.ts' ||
    ['main.ts', 'post.ts', 'inputs.ts'].includes(path)
  expect(readers.filter((path) => !allowed(path))).toEqual([])
  expect(readers).toContain('main.ts')
})
