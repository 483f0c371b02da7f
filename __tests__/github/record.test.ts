import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { openRecord } from '../../src/github/record.ts'
import { readInputs } from '../../src/inputs/index.ts'
import { nothingKnown, type Outcome, untouched } from '../../src/outcome.ts'
import { createPlan } from '../../src/plan.ts'
import { type FakeGithub, startFakeGithub } from '../support/fake-github.ts'
import { run } from '../agent/releases-on-disk.ts'

const HEAD = 'a'.repeat(40)
const OLD = 'b'.repeat(40)
const TOKEN = 'ghs_secretsecretsecret'

let github: FakeGithub
let folder: string
let warnings: string[]
beforeEach(async () => {
  github = await startFakeGithub()
  folder = mkdtempSync(join(tmpdir(), 'gapless-github-'))
  warnings = []
})
afterEach(() => {
  github.stop()
  rmSync(folder, { recursive: true })
})

const words = { description: '20260101000002 is live and verified.', comment: '### Preview pr-7' }
const live = (release: string, commit: string): Outcome => ({
  ...untouched({ ...nothingKnown, release, live: release }),
  status: 'live',
  succeeded: true,
  infos: [
    {
      ...run,
      id: release,
      commit,
      created: '',
      built: null,
      entry: '',
      staticPath: null,
      nextVersion: '',
      contentHash: '',
      distDir: null,
    },
  ],
})
const kept: Outcome = untouched(nothingKnown)
const removed: Outcome = { ...kept, status: 'removed', succeeded: true }

function planOf(inputs: Readonly<Record<string, string>>) {
  writeFileSync(join(folder, 'event.json'), JSON.stringify({ pull_request: { number: 7 } }))
  const given = {
    host: 'deploy@example.com',
    password: 'x',
    fingerprint: `SHA256:${'A'.repeat(43)}`,
    'app-name': 'web',
    'github-token': TOKEN,
    ...inputs,
  }
  const named = Object.entries(given).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])
  return createPlan(
    readInputs({
      ...Object.fromEntries(named),
      GITHUB_API_URL: `${github.url}/`,
      GITHUB_REPOSITORY: 'acme/site',
      GITHUB_SHA: HEAD,
      GITHUB_RUN_ID: '42',
      GITHUB_SERVER_URL: 'https://github.example',
      GITHUB_EVENT_PATH: join(folder, 'event.json'),
      GITHUB_WORKSPACE: folder,
    }),
    undefined,
  )
}

async function record(inputs: Readonly<Record<string, string>>, outcome: Outcome): Promise<string> {
  const opened = openRecord(planOf(inputs), { log: { warning: (line) => warnings.push(line) } })
  return opened!.end(outcome, words)
}

const calls = () =>
  github.calls.map(({ what, body }) =>
    `${what.replace('/repos/acme/site', '')} ${(body?.['state'] as string | undefined) ?? ''}`.trim(),
  )
const preview = { command: 'preview', preview: 'pr-7', url: 'https://{preview}.example.com' }

describe('a deploy', () => {
  test('is a deployment of the commit, from in_progress to success', async () => {
    expect(await record({ url: 'https://example.com' }, live('20260101000002', ''))).toBe('')
    const id = github.deployments[0]!.id
    expect(calls()).toEqual([
      'POST /deployments',
      `POST /deployments/${id}/statuses in_progress`,
      `POST /deployments/${id}/statuses success`,
      'GET /deployments',
    ])
    expect(github.calls[0]).toMatchObject({
      token: `Bearer ${TOKEN}`,
      body: {
        ref: HEAD,
        environment: 'production',
        auto_merge: false,
        required_contexts: [],
        transient_environment: false,
        production_environment: true,
      },
    })
    expect(github.calls[2]!.body).toEqual({
      state: 'success',
      auto_inactive: true,
      description: words.description,
      environment_url: 'https://example.com',
      log_url: 'https://github.example/acme/site/actions/runs/42',
    })
    expect(github.comments).toEqual([])
  })

  test('that succeeds sets the one before it inactive, and one that fails does not', async () => {
    await record({}, live('20260101000002', ''))
    await record({}, kept)
    expect(github.deployments.map(({ statuses }) => statuses[0])).toEqual(['failure', 'success'])
    await record({}, live('20260101000003', ''))
    expect(github.deployments.map(({ statuses }) => statuses[0])).toEqual(['success', 'failure', 'inactive'])
  })

  test('leaves another app of the same environment alone', async () => {
    await record({ 'app-name': 'api' }, live('20260101000002', ''))
    await record({}, live('20260101000002', ''))
    expect(github.deployments.map(({ statuses }) => statuses[0])).toEqual(['success', 'success'])
  })

  test.each([{ 'dry-run': 'true' }, { command: 'status' }, { 'github-token': '' }])(
    '%j is not recorded',
    (inputs) => {
      expect(
        openRecord(planOf(inputs as Readonly<Record<string, string>>), { log: { warning: () => undefined } }),
      ).toBe(null)
    },
  )

  test('may name its environment', async () => {
    await record({ environment: 'staging' }, live('20260101000002', ''))
    expect(github.calls[0]!.body).toMatchObject({ environment: 'staging', production_environment: false })
  })
})

test.each([
  ['rollback', 'rollback'],
  ['promote', 'deploy'],
])('a %s is a deployment of the commit that its release was built from', async (command, task) => {
  await record({}, live('20260101000002', ''))
  github.calls.length = 0
  await record({ command }, live('20260101000001', OLD))
  const [id, before] = github.deployments.map((deployment) => deployment.id)
  expect(github.calls[0]!.body).toMatchObject({ ref: OLD, task, environment: 'production' })
  expect(calls()).toEqual([
    'POST /deployments',
    `POST /deployments/${id}/statuses in_progress`,
    `POST /deployments/${id}/statuses success`,
    'GET /deployments',
    `GET /deployments/${before}/statuses`,
    `POST /deployments/${before}/statuses inactive`,
  ])
})

describe('a preview', () => {
  test('has its own transient environment, and one comment that later runs edit', async () => {
    await record(preview, live('20260101000002', ''))
    expect(github.calls[0]!.body).toMatchObject({
      environment: 'preview/pr-7',
      transient_environment: true,
      production_environment: false,
    })
    await record(preview, live('20260101000003', ''))
    expect(github.comments.map(({ body }) => body)).toEqual(['<!-- gapless: web-pr-7 -->\n### Preview pr-7'])
    await record({ ...preview, command: 'preview-remove' }, removed)
    expect(github.deployments.map(({ statuses }) => statuses[0])).toEqual(['inactive', 'inactive'])
    expect(github.comments).toHaveLength(1)
    expect(calls().filter((call) => call.startsWith('POST /issues'))).toHaveLength(1)
  })

  test('finds its comment behind a hundred others, and edits nobody else’s', async () => {
    const user = { login: 'stranger', type: 'User' }
    github.comments.push({ id: 1, body: '<!-- gapless: web-pr-7 -->\nmine now', user })
    for (let id = 2; id < 150; id += 1) github.comments.push({ id, body: 'hello', user })
    await record(preview, live('20260101000002', ''))
    await record(preview, live('20260101000003', ''))
    expect(github.comments).toHaveLength(150)
    expect(github.comments[0]!.body).toContain('mine now')
    expect(github.comments.at(-1)!.body).toContain('### Preview pr-7')
  })
})

describe('GitHub', () => {
  const status =
    (code: number, headers: Readonly<Record<string, string>> = {}) =>
    (response: ServerResponse) =>
      void response.writeHead(code, headers).end('{"message":"said GitHub"}')

  test.each([
    ['5xx', status(502)],
    ['a rate limit', status(429, { 'retry-after': '1' })],
    ['a secondary rate limit', status(403, { 'retry-after': '1' })],
    ['a broken connection', (response: ServerResponse) => void response.destroy()],
  ])('is asked again after %s', async (_, fail) => {
    github.failures.push(fail)
    expect(await record({}, live('20260101000002', ''))).toBe('')
    expect(github.deployments.map(({ statuses }) => statuses)).toEqual([['success', 'in_progress']])
  })

  test('refusing is a warning that names the permission, and never the token', async () => {
    for (let times = 0; times < 9; times += 1) github.failures.push(status(403))
    const said = await record(preview, live('20260101000002', ''))
    expect(said).toContain('HTTP 403 (said GitHub); the job needs the permission "deployments: write"')
    expect(said).toContain('the job needs the permission "pull-requests: write"')
    expect(said).not.toContain(TOKEN)
    expect(warnings.join(' ')).toBe(said)
  })

  test('being down is a warning', async () => {
    const plan = planOf({})
    github.stop()
    const opened = openRecord(plan, { log: { warning: (line) => warnings.push(line) } })
    expect(await opened!.end(live('20260101000002', ''), words)).toContain(
      'Could not record the deployment on GitHub',
    )
  })

  test('asking for more patience than there is, is a warning at once', async () => {
    const begun = performance.now()
    github.failures.push(status(429, { 'retry-after': '3600' }))
    expect(await record({}, live('20260101000002', ''))).toContain('HTTP 429')
    expect(performance.now() - begun).toBeLessThan(5000)
  })

  test('answering with nonsense is a warning', async () => {
    github.failures.push((response) => void response.writeHead(200).end('<html>'))
    expect(await record({}, live('20260101000002', ''))).toContain('GitHub created no deployment')
  })
})
