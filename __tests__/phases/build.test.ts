import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { readInputs } from '../../src/inputs/index.ts'
import { readProject } from '../../src/next/project.ts'
import { build } from '../../src/phases/build.ts'
import type { Host } from '../../src/hosts/host.ts'
import type { Place } from '../../src/pipeline.ts'
import { createPlan } from '../../src/plan.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { silentLog } from '../support/log.ts'

const folder = temporaryFolders()
/** Inputs that every run needs. */
const ACCESS = {
  INPUT_HOST: 'example.com',
  INPUT_USERNAME: 'u',
  INPUT_PASSWORD: 'p',
  INPUT_FINGERPRINT: `SHA256:${'A'.repeat(43)}`,
}
const recorded = join(import.meta.dirname, '..', 'next', 'build-output')

/** What is shown beside the sources of `apps/web` when its build prints what Next.js has printed once, and fails. */
async function annotationsOf(
  output: string,
  status: number,
): Promise<readonly (Place & { message: string })[]> {
  const workspace = folder()
  const app = join(workspace, 'apps', 'web')
  mkdirSync(join(app, 'app'), { recursive: true })
  writeFileSync(join(app, 'app', 'page.tsx'), '')
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'web', dependencies: { next: '16.4.6' } }))
  cpSync(join(recorded, output), join(app, 'output.txt'))
  const inputs = readInputs({
    GITHUB_WORKSPACE: workspace,
    ...ACCESS,
    'INPUT_WORKING-DIRECTORY': 'apps/web',
    'INPUT_INSTALL-COMMAND': 'none',
    'INPUT_BUILD-COMMAND': `cat output.txt; exit ${status}`,
  })
  const found: (Place & { message: string })[] = []
  const log = {
    ...silentLog,
    annotate: (message: string, place: Place) => void found.push({ message, ...place }),
  }
  const project = readProject(workspace, 'apps/web')
  await failureOf(build(createPlan(inputs, 'web'), project, [], undefined, log))
  return found
}

test('a build that fails has its errors shown beside their lines, in the repository', async () => {
  expect(await annotationsOf('16.4.6-syntax.txt', 1)).toEqual([
    { message: 'Expression expected', file: 'apps/web/app/page.tsx', line: 2, column: 13 },
  ])
})

test('errors in files that the repository does not have are left to the evidence', async () => {
  expect(await annotationsOf('16.4.6-type.txt', 1)).toEqual([])
})

test('a build that ends well has none, whatever it printed', async () => {
  expect(await annotationsOf('16.4.6-syntax.txt', 0)).toEqual([])
})

test('a Next.js that is too old is refused when it is installed, before the build', async () => {
  const workspace = folder()
  mkdirSync(join(workspace, 'app'))
  writeFileSync(join(workspace, 'package.json'), JSON.stringify({ dependencies: { next: 'catalog:' } }))
  const install = `mkdir -p node_modules/next && echo '{"name":"next","version":"13.0.7"}' > node_modules/next/package.json`
  const inputs = readInputs({
    ...ACCESS,
    GITHUB_WORKSPACE: workspace,
    'INPUT_APP-NAME': 'web',
    'INPUT_INSTALL-COMMAND': install,
    'INPUT_BUILD-COMMAND': 'touch was-built',
  })
  const project = readProject(workspace, '.')
  const failure = await failureOf(build(createPlan(inputs, 'web'), project, [], undefined, silentLog))
  expect(failure).toMatchObject({ code: 'next-unsupported', message: expect.stringContaining('"13.0.7"') })
  expect(existsSync(join(workspace, 'was-built'))).toBe(false)
})

test('a server with another major version of Node.js than the build is warned of, before the build', async () => {
  const workspace = folder()
  writeFileSync(join(workspace, 'package.json'), JSON.stringify({ dependencies: { next: '16.4.6' } }))
  const inputs = readInputs({
    ...ACCESS,
    GITHUB_WORKSPACE: workspace,
    'INPUT_APP-NAME': 'web',
    'INPUT_INSTALL-COMMAND': 'none',
    'INPUT_BUILD-COMMAND': 'false',
  })
  const warnings: string[] = []
  const log = { ...silentLog, warning: (line: string) => void warnings.push(line) }
  const hosts = ['18.20.8', '18.20.8', process.versions.node].map((node) => ({ name: null, facts: { node } }))
  const work = build(
    createPlan(inputs, 'web'),
    readProject(workspace, '.'),
    hosts as unknown as readonly Host[],
    undefined,
    log,
  )
  expect((await failureOf(work)).code).toBe('build-failed')
  expect(warnings).toEqual([expect.stringContaining('Node.js 18.20.8 serves it')])
})

test('a checkout that lacks what the app serves is refused before anything is installed', async () => {
  const workspace = folder()
  mkdirSync(join(workspace, 'public'))
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`
  writeFileSync(join(workspace, 'public', 'intro.mp4'), pointer)
  writeFileSync(join(workspace, 'package.json'), JSON.stringify({ dependencies: { next: '16.4.6' } }))
  const inputs = readInputs({
    ...ACCESS,
    GITHUB_WORKSPACE: workspace,
    'INPUT_APP-NAME': 'web',
    'INPUT_INSTALL-COMMAND': 'touch was-installed',
  })
  const project = readProject(workspace, '.')
  const failure = await failureOf(build(createPlan(inputs, 'web'), project, [], undefined, silentLog))
  expect(failure.code).toBe('checkout-incomplete')
  expect(existsSync(join(workspace, 'was-installed'))).toBe(false)
})

describe('a Next.js with a critical hole', () => {
  const start = (allowed: string) => {
    const workspace = folder()
    mkdirSync(join(workspace, 'node_modules', 'next'), { recursive: true })
    writeFileSync(join(workspace, 'node_modules/next/package.json'), '{"name":"next","version":"16.0.6"}')
    writeFileSync(join(workspace, 'package.json'), JSON.stringify({ dependencies: { next: '16' } }))
    const inputs = readInputs({
      ...ACCESS,
      GITHUB_WORKSPACE: workspace,
      'INPUT_APP-NAME': 'web',
      'INPUT_INSTALL-COMMAND': 'none',
      'INPUT_BUILD-COMMAND': 'touch was-built; exit 1',
      'INPUT_ALLOW-VULNERABLE': allowed,
    })
    const work = build(createPlan(inputs, 'web'), readProject(workspace, '.'), [], undefined, silentLog)
    return { work, wasBuilt: () => existsSync(join(workspace, 'was-built')) }
  }

  test('is refused before the build', async () => {
    const { work, wasBuilt } = start('')
    expect((await failureOf(work)).code).toBe('next-vulnerable')
    expect(wasBuilt()).toBe(false)
  })

  test('is built when `allow-vulnerable` names the hole', async () => {
    const { work, wasBuilt } = start('cve-2025-66478')
    expect((await failureOf(work)).code).toBe('build-failed')
    expect(wasBuilt()).toBe(true)
  })
})
