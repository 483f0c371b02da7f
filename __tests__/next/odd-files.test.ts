/** Something else where a file is expected: a folder, a link to nothing, a circle of links, a pipe, a closed door. */
import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { assemble } from '../../src/next/assemble.ts'
import { doubtsAbout } from '../../src/next/freshness.ts'
import { readBuildOutput } from '../../src/next/output.ts'
import { detectInstallCommand } from '../../src/next/package-manager.ts'
import { refusePlugNPlay } from '../../src/next/plug-n-play.ts'
import { readProject } from '../../src/next/project.ts'
import { hasOwnKey, keyForWorkers, usedAnotherKey } from '../../src/next/server-actions.ts'
import { Failure } from '../../src/common/failure.ts'
import { createManifest } from '../../src/transfer/manifest.ts'
import { Folder, folders, writeBuild } from './folder.ts'

const folder = folders()

const oddities: readonly [string, (app: Folder, name: string) => unknown][] = [
  ['a folder', (app, name) => app.write(`${name}/bin/activate`)],
  ['a link to a folder', (app, name) => app.directory('elsewhere').link(name, 'elsewhere')],
  ['a link to nothing', (app, name) => app.link(name, 'missing')],
  ['a circle of links', (app, name) => app.link(name, name)],
  ['a named pipe', (app, name) => execFileSync('mkfifo', [app.directory(dirname(name)).at(name)])],
]

/** All that reads the app's files on the runner. */
async function readEverything(app: Folder): Promise<void> {
  const workspace = app.path
  hasOwnKey(app.path, {})
  await refusePlugNPlay(app.path, workspace, {})
  readProject(workspace, '.')
  await detectInstallCommand(app.path, workspace)
  const output = readBuildOutput(app.path)
  doubtsAbout(output, undefined)
  usedAnotherKey(output, 'key')
  keyForWorkers({ ...output, nextVersion: '14.2.35' }, workspace, 'key')
  const { entries } = await assemble(output, workspace)
  await createManifest({ entries })
}

function builtApp(...without: readonly string[]): Folder {
  const app = folder()
  if (!without.includes('package.json')) {
    const scripts = { start: 'node server' }
    app.write('package.json', { name: 'shop', dependencies: { next: '^16' }, scripts })
  }
  if (!without.includes('package-lock.json')) app.write('package-lock.json', '{}')
  app.write('node_modules/next/package.json', { version: '16.4.6' })
  writeBuild(app)
  return app
}

describe.each(oddities)('%s', (kind, put) => {
  test.each([
    '.env',
    '.env.production',
    '.env.local',
    'next.config.js',
    'turbo.json',
    '.yarnrc.yml',
    'yarn.lock',
    '.pnp.cjs',
    'server.js',
    'pages',
    'public',
    'app',
    'proxy.ts',
    'package.json',
    'package-lock.json',
    'elsewhere/package.json',
    '.next/server/server-reference-manifest.json',
  ])('at %s is skipped, or the error names it', async (name) => {
    const app = builtApp(name)
    put(app, name)
    const error: unknown = await readEverything(app).catch((thrown: unknown) => thrown)
    if (error === undefined) return
    expect(error).toBeInstanceOf(Failure)
    const { code, message, remedy } = error as Failure
    expect([code, message]).toEqual([expect.not.stringMatching('internal'), expect.any(String)])
    expect(remedy).toBeDefined()
    const needed = name.startsWith('package') || kind === 'a circle of links'
    expect([kind, name, message, needed]).toEqual([kind, name, message, true])
  })
})

test('a Python virtualenv named .env holds no key, and is not sent', async () => {
  const app = builtApp().write('.env/bin/activate', 'NEXT_SERVER_ACTIONS_ENCRYPTION_KEY=x')
  expect(hasOwnKey(app.path, {})).toBe(false)
  await readEverything(app)
})

describe('a path without permission', () => {
  /** As a user that root's files are closed to. */
  async function asNobody(app: Folder): Promise<unknown> {
    const asRoot = process.getuid?.() === 0
    chmodSync(app.path, 0o755)
    if (asRoot) process.seteuid?.(65_534)
    try {
      return await readEverything(app).catch((thrown: unknown) => thrown)
    } finally {
      if (asRoot) process.seteuid?.(0)
    }
  }

  test.each(['.env', 'package.json', '.next/BUILD_ID', 'public/logo.svg', '.next/static/chunks/main.js'])(
    'a file: %s',
    async (name) => {
      const app = builtApp().write(name, '{}', 0o000)
      chmodSync(app.at(name), 0o000)
      expect(await asNobody(app)).toMatchObject({
        code: 'file-unreadable',
        message: `Could not read "${app.at(name)}": permission denied.`,
      })
    },
  )

  test('a folder that will be sent', async () => {
    const app = builtApp().write('public/private/a.txt')
    chmodSync(app.at('public/private'), 0o000)
    const error = await asNobody(app)
    chmodSync(app.at('public/private'), 0o755)
    expect(error).toMatchObject({
      code: 'file-unreadable',
      message: expect.stringContaining('public/private'),
    })
  })

  test('is ignored in the folder of a database beside the app', async () => {
    const app = builtApp().write('pgdata/base')
    chmodSync(app.at('pgdata'), 0o000)
    const error = await asNobody(app)
    chmodSync(app.at('pgdata'), 0o755)
    expect(error).toBeUndefined()
  })
})
