import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { type Inputs, readInputs } from '../src/inputs/index.ts'
import { createPlan, packageName, runtimeOf } from '../src/plan.ts'
import { runtime } from '../src/protocol/messages.ts'
import { temporaryFolders } from './support/folder.ts'

const folder = temporaryFolders()

type Texts = Readonly<Record<string, string>>

function inputsOf(inputs: Texts = {}, environment: Texts = {}): Inputs {
  const required = { host: 'deploy@example.com', password: 'p', fingerprint: `SHA256:${'A'.repeat(43)}` }
  const named = Object.entries({ ...required, ...inputs })
  return readInputs({
    ...Object.fromEntries(named.map(([name, text]) => [`INPUT_${name.toUpperCase()}`, text])),
    ...environment,
  })
}

describe('the plan', () => {
  test('takes the app’s name from package.json, and its folder from the name', () => {
    const plan = createPlan(inputsOf(), 'shop')
    expect(plan).toMatchObject({ appName: 'shop', path: 'apps/shop' })
  })

  test('prefers what the inputs say', () => {
    const inputs = inputsOf({ 'app-name': 'store', path: '/srv/store' })
    expect(createPlan(inputs, 'shop')).toMatchObject({ appName: 'store', path: '/srv/store' })
    expect(createPlan(inputsOf({ 'app-name': 'store' }), 'shop').path).toBe('apps/store')
  })

  test.each(['check', 'setup'])('does without a name where %s looks at the server alone', (command) => {
    const inputs = inputsOf({ command })
    expect(createPlan(inputs, undefined)).toMatchObject({ appName: '', path: 'apps' })
    expect(createPlan(inputs, '!!!')).toMatchObject({ appName: '', path: 'apps' })
    expect(createPlan(inputs, 'shop')).toMatchObject({ appName: 'shop', path: 'apps/shop' })
    const workspace = folder()
    writeFileSync(join(workspace, 'package.json'), '{ no JSON')
    expect(packageName({ ...inputs, workspace })).toBeUndefined()
    expect(() => createPlan(inputsOf({ command: 'status' }), undefined)).toThrow('app-name')
  })

  test('says which run it is, as far as the runner tells', () => {
    const environment = {
      GITHUB_SHA: 'c0ffee',
      GITHUB_REF: 'refs/heads/main',
      GITHUB_ACTOR: 'octocat',
      GITHUB_EVENT_NAME: 'push',
      GITHUB_REPOSITORY: 'acme/shop',
      GITHUB_RUN_ID: '42',
    }
    expect(inputsOf({}, environment).run).toEqual({
      commit: 'c0ffee',
      ref: 'refs/heads/main',
      actor: 'octocat',
      event: 'push',
      runUrl: 'https://github.com/acme/shop/actions/runs/42',
      workflow: '',
      runNumber: 0,
      runAttempt: 1,
    })
    expect(inputsOf().run).toEqual({
      commit: '',
      ref: '',
      actor: '',
      event: '',
      runUrl: '',
      workflow: '',
      runNumber: 0,
      runAttempt: 1,
    })
  })

  test('needs no checkout: without a package.json there is no name to read', () => {
    const workspace = folder()
    const inputs = inputsOf({ 'working-directory': 'apps/web' }, { GITHUB_WORKSPACE: workspace })
    expect(packageName(inputs)).toBeUndefined()
    mkdirSync(join(workspace, 'apps/web'), { recursive: true })
    writeFileSync(join(workspace, 'apps/web/package.json'), '{"name":"web"}')
    expect(packageName(inputs)).toBe('web')
  })
})

describe('how a release runs', () => {
  test('is what the inputs say, in the words of the protocol', () => {
    const inputs = inputsOf({
      'app-port': '4000',
      'app-host': '0.0.0.0',
      instances: '4',
      'max-memory': '768M',
      'node-options': '--max-old-space-size=512',
      env: 'A=1\nB="two words"',
      'shared-dirs': 'public/uploads',
      'shared-files': '.env.local',
      'share-cache': 'false',
      'health-check-path': '/api/health',
      'health-check-status': '200,204',
      'health-check-body': 'ok',
      'health-check-timeout': '2m',
      'health-check-interval': '250ms',
      observe: '3s',
      'drain-timeout': '45',
    })
    const found = runtimeOf(inputs, '')
    expect(found).toEqual({
      host: '0.0.0.0',
      port: 4000,
      instances: 4,
      maxMemoryBytes: 768 * 1024 * 1024,
      nodeOptions: ['--max-old-space-size=512'],
      env: { A: '1', B: 'two words' },
      health: {
        path: '/api/health',
        status: [
          [200, 200],
          [204, 204],
        ],
        body: 'ok',
        timeoutMs: 120_000,
        intervalMs: 250,
        origin: null,
      },
      observeMs: 3000,
      drainTimeoutMs: 45_000,
      sharedDirs: ['public/uploads'],
      sharedFiles: ['.env.local'],
      shareCache: false,
      socket: null,
    })
    expect(runtime(JSON.parse(JSON.stringify(found)), 'runtime')).toEqual(found)
  })

  test('is one worker per core with `max`, and without a limit unless one is given', () => {
    expect(runtimeOf(inputsOf({ instances: 'max' }), '')).toMatchObject({
      instances: 0,
      maxMemoryBytes: null,
    })
    expect(runtimeOf(inputsOf(), '').health.body).toBeNull()
  })
})

describe('the health check’s path', () => {
  test.each([
    ['/', '', '/'],
    ['/api/health', '', '/api/health'],
    ['/', '/docs', '/docs'],
    ['/api/health', '/docs', '/docs/api/health'],
    ['/docs', '/docs', '/docs'],
    ['/docs/api/health', '/docs', '/docs/api/health'],
    ['/docsearch', '/docs', '/docs/docsearch'],
    ['/?x', '', '/?x'],
    ['/?x', '/docs', '/docs?x'],
    ['/docs?x', '/docs', '/docs?x'],
    ['/docs/api?x=/y', '/docs', '/docs/api?x=/y'],
    ['/api?next=/docs/', '/docs', '/docs/api?next=/docs/'],
  ])('%s under the base path "%s" is %s', (path, basePath, full) => {
    expect(runtimeOf(inputsOf({ 'health-check-path': path }), basePath).health.path).toBe(full)
  })
})
