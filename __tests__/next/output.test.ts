import { rmSync, statSync, utimesSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { readBuildOutput } from '../../src/next/output.ts'
import { Folder, folders, writeBuild } from './folder.ts'

const folder = folders()

/** As if the build in this folder had been made at that time. */
function age(app: Folder, distDir: string, seconds: number): void {
  utimesSync(app.at(distDir, 'required-server-files.json'), seconds, seconds)
}

describe('a standalone build', () => {
  test('of an app that is the whole repository', () => {
    const app = folder().write('public/robots.txt')
    writeBuild(app)
    expect(readBuildOutput(app.path)).toEqual({
      directory: app.path,
      distDir: '.next',
      relativeAppDir: '',
      nextVersion: '16.4.6',
      nextNodeRange: '>=20.9.0',
      basePath: '',
      entry: 'server.js',
      standaloneDirectory: app.at('.next/standalone'),
      staticDirectory: app.at('.next/static'),
      staticPath: '.next/static',
      publicDirectory: app.at('public'),
      buildId: 'build-1',
      builtAt: statSync(app.at('.next/required-server-files.json')).mtimeMs,
      begunBy: expect.any(Number),
      builtIn: app.path,
    })
  })

  test('of an app in a workspace', () => {
    const repository = folder()
    writeBuild(repository, { app: 'apps/web', config: { basePath: '/docs' } })
    expect(readBuildOutput(repository.at('apps/web'))).toMatchObject({
      relativeAppDir: 'apps/web',
      entry: 'apps/web/server.js',
      standaloneDirectory: repository.at('apps/web/.next/standalone'),
      staticPath: 'apps/web/.next/static',
      basePath: '/docs',
      publicDirectory: undefined,
    })
  })

  test.each(['build', 'build/next', 'a/b/c/d', './out/'])('in a distDir of its own: %s', (distDir) => {
    const app = folder()
    writeBuild(app, { distDir })
    expect(readBuildOutput(app.path)).toMatchObject({
      distDir: distDir === './out/' ? 'out' : distDir,
      standaloneDirectory: app.at(distDir, 'standalone'),
    })
  })

  test('that had begun at the latest when Next.js wrote its first file', () => {
    const app = folder()
    writeBuild(app)
    utimesSync(app.at('.next/BUILD_ID'), 1_700_000_000, 1_700_000_000)
    expect(readBuildOutput(app.path).begunBy).toBe(1_700_000_000_000)
  })

  test('in a distDir outside of the app’s folder, as Nx has it', () => {
    const repository = folder().write('apps/web/public/a.txt')
    writeBuild(repository, { app: 'apps/web', distDir: '../../dist/apps/web/.next' })
    // Of another app, and left over from before distDir was set.
    writeBuild(repository, { app: 'apps/admin', distDir: '../../dist/apps/admin/.next' })
    writeBuild(repository, { app: 'apps/web' })
    age(repository, 'apps/web/.next', 1_000_000_000)
    const output = readBuildOutput(repository.at('apps/web'), repository.path)
    expect(output).toMatchObject({
      distDir: '../../dist/apps/web/.next',
      entry: 'apps/web/server.js',
      standaloneDirectory: repository.at('dist/apps/web/.next/standalone'),
      staticDirectory: repository.at('dist/apps/web/.next/static'),
      staticPath: 'dist/apps/web/.next/static',
    })
  })

  test('the newest of several', () => {
    const app = folder()
    writeBuild(app)
    writeBuild(app, { distDir: 'build' })
    age(app, '.next', 2_000_000_000)
    age(app, 'build', 1_000_000_000)
    expect(readBuildOutput(app.path).distDir).toBe('.next')
    age(app, 'build', 2_000_000_001)
    expect(readBuildOutput(app.path).distDir).toBe('build')
  })

  test('not that of another app further down', () => {
    const repository = folder()
    writeBuild(repository)
    writeBuild(repository, { app: 'apps/web' })
    age(repository, '.next', 1_000_000_000)
    expect(readBuildOutput(repository.path).relativeAppDir).toBe('')
  })

  test('with the Next.js that is installed, when the standalone tree does not tell', () => {
    const repository = folder().write('node_modules/next/package.json', { version: '15.5.29' })
    writeBuild(repository, { app: 'apps/web' })
    rmSync(repository.at('apps/web/.next/standalone/node_modules'), { recursive: true })
    expect(readBuildOutput(repository.at('apps/web')).nextVersion).toBe('15.5.29')
  })
})

describe('no build to deploy', () => {
  test('none at all', () => {
    const app = folder().write('node_modules/x/required-server-files.json', '{}')
    expect(() => readBuildOutput(app.path)).toThrow(
      expect.objectContaining({ code: 'no-build-output', remedy: expect.stringContaining('build-command') }),
    )
  })

  test('one that broke off: BUILD_ID and more are there from the start', () => {
    const app = folder()
    writeBuild(app)
    rmSync(app.at('.next/required-server-files.json'))
    expect(() => readBuildOutput(app.path)).toThrow(expect.objectContaining({ code: 'no-build-output' }))
  })

  test('one whose record is not readable or leads out of the app', () => {
    const app = folder().write('.next/required-server-files.json', '{"config":')
    expect(() => readBuildOutput(app.path)).toThrow(expect.objectContaining({ code: 'no-build-output' }))
    writeBuild(app, { relativeAppDir: '../..' })
    expect(() => readBuildOutput(app.path)).toThrow(expect.objectContaining({ code: 'no-build-output' }))
  })

  test('one of other apps alone, which are named', () => {
    const repository = folder().directory('apps/web')
    writeBuild(repository, { app: 'apps/admin' })
    expect(() => readBuildOutput(repository.at('apps/web'), repository.path)).toThrow(
      expect.objectContaining({
        code: 'no-build-output',
        evidence: expect.stringContaining(repository.at('apps/admin/.next/required-server-files.json')),
      }),
    )
  })

  test('one whose distDir the standalone tree cannot hold', () => {
    const repository = folder()
    writeBuild(repository, { app: 'web', relativeAppDir: '', distDir: '../dist' })
    expect(() => readBuildOutput(repository.at('web'), repository.path)).toThrow(
      expect.objectContaining({
        code: 'build-failed',
        remedy: expect.stringContaining('outputFileTracingRoot'),
      }),
    )
  })

  test('a static export', () => {
    const app = folder()
    writeBuild(app, { config: { output: 'export' } })
    expect(() => readBuildOutput(app.path)).toThrow(
      expect.objectContaining({ code: 'output-export', remedy: expect.stringContaining('nginx') }),
    )
  })

  test('one without the standalone server', () => {
    const app = folder()
    writeBuild(app)
    rmSync(app.at('.next/standalone/server.js'))
    expect(() => readBuildOutput(app.path)).toThrow(
      expect.objectContaining({
        code: 'build-failed',
        message: expect.stringContaining('standalone/server.js'),
      }),
    )
  })

  test('one that was not asked for standalone, with an old standalone server still there', () => {
    const app = folder()
    writeBuild(app, { config: { output: undefined } })
    expect(() => readBuildOutput(app.path)).toThrow(
      expect.objectContaining({
        code: 'build-failed',
        remedy: expect.stringContaining('NEXT_PRIVATE_STANDALONE'),
        evidence: expect.stringContaining('(not set)'),
      }),
    )
  })

  test.each(['static', 'BUILD_ID'])('one that was brought over without its %s', (name) => {
    const app = folder()
    writeBuild(app)
    rmSync(app.at('.next', name), { recursive: true })
    expect(() => readBuildOutput(app.path)).toThrow(
      expect.objectContaining({ code: 'build-failed', message: expect.stringContaining(`.next/${name}`) }),
    )
  })
})
