import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { readInputs } from '../src/inputs/index.ts'
import { table } from '../src/inputs/table.ts'

interface Described {
  readonly description: string
  readonly default?: string
  readonly required?: boolean
}

interface Action {
  readonly name: string
  readonly description: string
  readonly author: string
  readonly branding: { readonly icon: string; readonly color: string }
  readonly inputs: Readonly<Record<string, Described>>
  readonly outputs: Readonly<Record<string, Described>>
  readonly runs: Readonly<Record<string, string>>
}

const root = join(import.meta.dirname, '..')
const action = parse(await readFile(join(root, 'action.yml'), 'utf8')) as Action

describe('action.yml', () => {
  test('has the inputs and defaults of the code', () => {
    const stated = Object.entries(action.inputs).map(([name, input]) => [name, input.default])
    const known = Object.entries(table).map(([name, row]) => [name, row.default ?? undefined])
    expect(Object.fromEntries(stated)).toEqual(Object.fromEntries(known))
  })

  test('has every input that the code reads, and no other', () => {
    const asked = new Set<string>()
    const given: NodeJS.ProcessEnv = {
      INPUT_HOST: 'deploy@example.com',
      INPUT_PASSWORD: 'pw',
      'INPUT_KNOWN-HOSTS': 'example.com ssh-ed25519 AAAA',
    }
    readInputs(
      new Proxy(given, {
        get(target, name) {
          if (typeof name === 'string' && name.startsWith('INPUT_')) asked.add(name.slice(6).toLowerCase())
          return Reflect.get(target, name) as unknown
        },
      }),
    )
    expect([...asked].sort()).toEqual(Object.keys(action.inputs).sort())
  })

  test('has the outputs of the contract', () => {
    expect(Object.keys(action.outputs)).toEqual([
      'status',
      'release',
      'previous-release',
      'live-release',
      'uploaded-bytes',
      'url',
      'duration-ms',
    ])
  })

  test('states defaults as text, and describes everything in sentences', () => {
    for (const entry of [...Object.values(action.inputs), ...Object.values(action.outputs)]) {
      expect(entry.description).toMatch(/^[A-Z`].*\.$/)
      expect(['string', 'undefined']).toContain(typeof entry.default)
    }
  })

  test('has what the Marketplace asks for', () => {
    expect(action.name).toBe('Gapless')
    expect(action.description.length).toBeLessThan(125)
    expect(action.author).not.toBe('')
    // An icon of Feather 4.28, and one of eight colours.
    expect(action.branding).toEqual({ icon: 'refresh-cw', color: 'green' })
  })

  test('runs on node24, and cleans up whatever happened', () => {
    expect(action.runs).toEqual({
      using: 'node24',
      main: 'dist/main.cjs',
      post: 'dist/post.cjs',
      'post-if': 'always()',
    })
  })
})

describe('readme-tables', () => {
  const between = (name: string) => `<!-- ${name}:start -->\nold\n<!-- ${name}:end -->`
  let folder: string
  const page = (name: string) => readFile(join(folder, name), 'utf8')

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'readme-tables-'))
    await mkdir(join(folder, 'docs'))
    await writeFile(join(folder, 'README.md'), `# Title\n\n${between('common-inputs')}\n\nEnd\n`)
    await writeFile(
      join(folder, 'docs', 'inputs.md'),
      `# Title\n\n${between('inputs')}\n\nText\n\n${between('outputs')}\n\nEnd\n`,
    )
  })
  afterEach(async () => {
    await rm(folder, { recursive: true })
  })

  /** The exit code, and what was printed as an error. */
  const run = (...args: readonly string[]): Promise<{ readonly code: unknown; readonly stderr: string }> =>
    new Promise((resolve) => {
      execFile(process.execPath, [join(root, 'scripts/readme-tables.mjs'), ...args], (error, _, stderr) => {
        resolve({ code: error === null ? 0 : error.code, stderr })
      })
    })

  test('writes one row for every input and output, and leaves the rest of the page alone', async () => {
    expect(await run(folder)).toEqual({ code: 0, stderr: '' })
    const text = await page('docs/inputs.md')
    const rows = [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name)
    expect(rows).toEqual([...Object.keys(action.inputs), ...Object.keys(action.outputs)])
    expect(text).toContain('| `observe` | `5s` | ')
    expect(text).toContain('| `host` | (required) | ')
    expect(text).toMatch(/^# Title\n\n<!-- inputs:start -->\n[^]+<!-- inputs:end -->\n\nText\n\n/)
    expect(text).toMatch(/<!-- outputs:end -->\n\nEnd\n$/)
    expect(text).not.toContain('old\n')
  })

  test('puts inputs into the groups that the comments of action.yml name', async () => {
    await run(folder)
    const groups = (await page('docs/inputs.md')).split('\n## ').slice(1)
    expect(groups.map((group) => group.split('\n', 1)[0])).toEqual([
      'Command',
      'Server',
      'Jump host',
      'Build',
      'App',
      'Health check',
      'Activation',
      'Previews',
      'GitHub',
      'Several servers',
    ])
    expect(groups[2]!.match(/^\| `proxy-/gm)).toHaveLength(7)
  })

  test('shows a default that only the code knows in the column of the defaults', async () => {
    await run(folder)
    expect(await page('docs/inputs.md')).toContain(
      "| `path` | `apps/<app-name>` | Folder of the app on the server, absolute or relative to the user's home. |",
    )
  })

  test('writes fourteen inputs in four groups into the README', async () => {
    await run(folder)
    const text = await page('README.md')
    expect(text.match(/^\|[^|]*\| `[a-z-]+` \|/gm)).toHaveLength(14)
    expect(text.match(/^\| \*\*[^*]+\*\* \|/gm)).toHaveLength(4)
    expect(text).not.toContain('undefined')
  })

  test('--check fails when a page is out of date, and changes nothing', async () => {
    const before = await page('docs/inputs.md')
    const { code, stderr } = await run('--check', folder)
    expect(code).toBe(1)
    expect(stderr).toContain('README.md is out of date')
    expect(stderr).toContain('docs/inputs.md is out of date')
    expect(await page('docs/inputs.md')).toBe(before)
  })

  test('--check passes on what was written', async () => {
    await run(folder)
    expect(await run('--check', folder)).toEqual({ code: 0, stderr: '' })
  })

  test('fails when a marker is missing', async () => {
    const file = join(folder, 'docs', 'inputs.md')
    await writeFile(file, (await readFile(file, 'utf8')).replace('<!-- outputs:end -->', ''))
    const { code, stderr } = await run(folder)
    expect(code).toBe(1)
    expect(stderr).toContain('<!-- outputs:end -->')
  })
})
