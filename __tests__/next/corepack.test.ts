import { describe, expect, test } from '@jest/globals'
import { throughCorepack } from '../../src/next/corepack.ts'
import { folders, type Folder } from './folder.ts'

const folder = folders()
const install = ['yarn', 'install', '--immutable']

/** A PATH with programs that only tell a version, beside the shell. */
function pathWith(app: Folder, versions: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  for (const [program, version] of Object.entries(versions)) {
    app.write(
      `bin/${program}`,
      `#!/bin/sh\n${version.startsWith('exit') ? version : `echo ${version}`}\n`,
      0o755,
    )
  }
  return { PATH: app.directory('bin').at('bin') }
}

function declared(packageManager: string | undefined): Folder {
  return folder().write('package.json', { packageManager })
}

describe('corepack runs the package manager', () => {
  test.each<[string, Record<string, string>]>([
    ['is not there', { corepack: '0.34.6' }],
    ['is there in another major version', { corepack: '0.34.6', yarn: '1.22.22' }],
    ['does not run', { corepack: '0.34.6', yarn: 'exit 1' }],
  ])('when it %s', async (_, versions) => {
    const app = declared('yarn@4.18.1+sha512.abc')
    expect(await throughCorepack(install, app.path, app.path, pathWith(app, versions))).toEqual([
      'corepack',
      ...install,
    ])
  })

  test('that the root of the workspace names', async () => {
    const repository = declared('yarn@4.18.1').write('apps/web/package.json', {})
    const env = pathWith(repository, { corepack: '0.34.6' })
    expect((await throughCorepack(install, repository.at('apps/web'), repository.path, env))[0]).toBe(
      'corepack',
    )
  })
})

describe('the command stays as it is', () => {
  test.each<[string, string | undefined, Record<string, string>]>([
    ['with the right version on the PATH', 'yarn@4.18.1', { corepack: '0.34.6', yarn: '4.9.0' }],
    ['without corepack', 'yarn@4.18.1', { yarn: '1.22.22' }],
    ['without packageManager', undefined, { corepack: '0.34.6' }],
    ['with another package manager named', 'pnpm@10.1.0', { corepack: '0.34.6' }],
    ['with one that corepack does not bring', 'bun@1.2.0', { corepack: '0.34.6' }],
  ])('%s', async (_, packageManager, versions) => {
    const app = declared(packageManager)
    expect(await throughCorepack(install, app.path, app.path, pathWith(app, versions))).toEqual(install)
  })
})
