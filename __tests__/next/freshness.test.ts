import { utimesSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { doubtsAbout } from '../../src/next/freshness.ts'
import { readBuildOutput } from '../../src/next/output.ts'
import { failureOf } from '../support/failure.ts'
import { type Folder, folders, writeBuild } from './folder.ts'

const folder = folders()
const manifest = { name: 'shop', version: '1.0.0', dependencies: { next: '16.4.6' } }
/** In seconds. */
const built = 1_700_000_000

/** An app that was built at that time, with sources from before and Next.js installed. */
function builtApp(): Folder {
  const app = folder()
  writeBuild(app)
  app
    .write('package.json', manifest)
    .write('.next/standalone/package.json', manifest)
    .write('app/page.js')
    .write('app/items/page.js')
    .write('node_modules/next/package.json', { name: 'next', version: '16.4.6' })
  for (const file of ['package.json', 'app/page.js', 'app/items/page.js']) touch(app, file, built - 100)
  touch(app, '.next/required-server-files.json', built)
  return app
}

function touch(app: Folder, file: string, time: number): void {
  utimesSync(app.at(file), time, time)
}

const doubts = (app: Folder, buildBegan?: number) => doubtsAbout(readBuildOutput(app.path), buildBegan)

describe('a build that was there already', () => {
  test('of these sources is not doubted', () => {
    expect(doubts(builtApp())).toEqual([])
  })

  test('of an app with another name is refused', async () => {
    const app = builtApp().write('package.json', { ...manifest, name: 'admin' })
    const failure = await failureOf(() => doubts(app))
    expect(failure.code).toBe('foreign-build')
    expect(failure.message).toContain('is of "shop", and the app there is "admin"')
  })

  test('of another Next.js than the installed one', () => {
    const app = builtApp().write('node_modules/next/package.json', { name: 'next', version: '16.5.0' })
    expect(doubts(app)).toEqual(['The build is of Next.js 16.4.6, and 16.5.0 is installed.'])
  })

  test('with other dependencies', () => {
    const app = builtApp().write('package.json', { ...manifest, dependencies: { next: '16.4.6', zod: '4' } })
    touch(app, 'package.json', built - 100)
    expect(doubts(app)).toEqual(['The dependencies in package.json have changed since the build.'])
  })

  test('made in another folder, if that is here to be confused with', () => {
    const elsewhere = folder()
    const app = folder()
    const from = (appDir: string) => {
      writeBuild(app)
      app.write('.next/required-server-files.json', {
        appDir,
        relativeAppDir: '',
        config: { output: 'standalone', distDir: '.next' },
      })
      return doubts(app)
    }
    expect(from(elsewhere.path)).toEqual([
      `The build was made in another folder of this machine, ${elsewhere.path}.`,
    ])
    expect(from('/home/runner/work/shop/shop')).toEqual([])
    expect(from(app.path)).toEqual([])
  })

  test('older than some of the sources', () => {
    const app = builtApp()
    touch(app, 'app/items/page.js', built + 100)
    expect(doubts(app)).toEqual(['Some of the sources have changed since the build.'])
  })

  test('older than all of them, as after a checkout: their times say nothing', () => {
    const app = builtApp()
    for (const file of ['package.json', 'app/page.js', 'app/items/page.js']) touch(app, file, built + 100)
    expect(doubts(app)).toEqual([])
  })
})

describe('a build that this run made', () => {
  test('is not doubted for what it is compared with otherwise', () => {
    const app = builtApp().write('node_modules/next/package.json', { name: 'next', version: '16.5.0' })
    expect(doubts(app, built * 1000 - 5000)).toEqual([])
  })

  test('is doubted when the command left the one that was there', () => {
    expect(doubts(builtApp(), built * 1000 + 60_000)).toEqual([
      'The build command wrote no new build: the build is older than this run.',
    ])
  })
})
