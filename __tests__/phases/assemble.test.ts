import { readdirSync } from 'node:fs'
import { afterEach, expect, test } from '@jest/globals'
import { readInputs } from '../../src/inputs/index.ts'
import type { Host } from '../../src/hosts/host.ts'
import { readBuildOutput } from '../../src/next/output.ts'
import { assemble } from '../../src/phases/assemble.ts'
import { createPlan } from '../../src/plan.ts'
import { folders, writeBuild, type Folder } from '../next/folder.ts'
import { failureOf } from '../support/failure.ts'
import { silentLog } from '../support/log.ts'

const folder = folders()

async function assembled(
  app: Folder,
  inputs: Readonly<Record<string, string>> = {},
  hosts: readonly Host[] = [],
) {
  const read = readInputs({
    GITHUB_WORKSPACE: app.path,
    INPUT_HOST: 'example.com',
    INPUT_USERNAME: 'u',
    INPUT_PASSWORD: 'p',
    INPUT_FINGERPRINT: `SHA256:${'A'.repeat(43)}`,
    ...inputs,
  })
  const launcher = app.write('launcher.js').at('launcher.js')
  return assemble(createPlan(read, 'web'), readBuildOutput(app.path), launcher, hosts, silentLog)
}

test('a Git LFS pointer that the build took into a bundle is refused', async () => {
  const app = folder()
  writeBuild(app)
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`
  app.write('.next/static/media/intro.1a2b.mp4', pointer)
  expect(await failureOf(assembled(app))).toMatchObject({
    code: 'checkout-incomplete',
    message: expect.stringContaining('".next/static/media/intro.1a2b.mp4"'),
  })
})

test('a link at a path of shared-dirs or shared-files is left out', async () => {
  const app = folder()
  writeBuild(app)
  app.link('public/uploads', '/srv/uploads').link('public/robots.txt', '/srv/robots.txt')
  expect(await failureOf(assembled(app))).toMatchObject({ code: 'symlink-escapes' })
  const shared = { 'INPUT_SHARED-DIRS': 'public/uploads', 'INPUT_SHARED-FILES': 'public/robots.txt' }
  const { value } = await assembled(app, shared)
  const paths = [...value.manifest.entries].map(({ path }) => path)
  await value.packer.close()
  expect(paths).toContain('server.js')
  expect(paths.filter((path) => path.startsWith('public'))).toEqual([])
})

const before = process.env['RUNNER_TEMP']
afterEach(() => {
  if (before === undefined) delete process.env['RUNNER_TEMP']
  else process.env['RUNNER_TEMP'] = before
})

test.each([
  ['a server that has nothing', null, null, {}, 1],
  ['a server that has a release', '20260101000000', '20260101000000', {}, 0],
  ['a server that has an interrupted upload', '20260101000000', null, {}, 0],
  ['the first preview of an app', null, '20260101000000', {}, 0],
  ['a dry run', null, null, { 'INPUT_DRY-RUN': 'true' }, 0],
] as const)(
  'a release for %s is packed ahead only where all of it is missing',
  async (_, newestId, base, inputs, count) => {
    const app = folder()
    writeBuild(app)
    const temporary = folder().path
    process.env['RUNNER_TEMP'] = temporary
    const facts = { newestId, zstd: true }
    const host = { name: null, facts, base: async () => ({ base, folders: '' }) } as unknown as Host
    const { value } = await assembled(app, inputs, [host])
    for await (const _ of value.packer.manifest('')) continue
    expect(readdirSync(temporary)).toHaveLength(count)
    await value.packer.close()
    expect(readdirSync(temporary)).toEqual([])
  },
)
