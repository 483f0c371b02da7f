import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { assertFolderIsOurs, assertNameIsOurs } from '../../../src/agent/pm2/app-name.ts'
import { type Layout, layoutOf, makeFolders } from '../../../src/agent/store/layout.ts'
import type { Pm2Process } from '../../../src/agent/pm2/client.ts'
import { pointCurrentAt } from '../../../src/agent/store/releases.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()

function app(path: string): Layout {
  const layout = layoutOf(path)
  makeFolders(layout)
  return layout
}
const runs = ({ current }: Layout) => [{ script: `${current}/.gapless/launcher.cjs` } as Pm2Process]
const check = async (layout: Layout, processes: readonly Pm2Process[]) => assertNameIsOurs(layout, processes)

test('an app of that name from another folder is another app', async () => {
  const home = folder()
  const [production, staging] = [app(join(home, 'production')), app(join(home, 'staging'))]
  expect(await failureOf(check(staging, runs(production)))).toMatchObject({
    code: 'app-name-taken',
    message: expect.stringContaining(production.base),
  })
  // Nothing has to be there yet of the one that asks.
  const first = layoutOf(join(home, 'first'))
  expect(await failureOf(check(first, runs(production)))).toMatchObject({ code: 'app-name-taken' })
})

test('an app is its own under another path, and what a folder that is gone left behind is nobody’s', async () => {
  const home = folder()
  const before = app(join(home, 'before'))
  const [after, linked] = [layoutOf(join(home, 'after')), layoutOf(join(home, 'linked'))]
  await check(before, runs(before))
  symlinkSync(before.base, linked.base)
  await check(linked, runs(before))
  await check(before, runs(linked))
  renameSync(before.base, after.base)
  await check(after, runs(before))
  rmSync(linked.base)
  mkdirSync(before.base)
  rmSync(before.base, { recursive: true })
  await check(after, [...runs(before), ...runs(linked)])
})

test('what was started in any other way is taken over', async () => {
  const home = folder()
  await check(app(join(home, 'app')), [
    { script: join(home, 'server.js') } as Pm2Process,
    { script: '/usr/bin/npm' } as Pm2Process,
  ])
})

describe('the app’s folder', () => {
  const named = (name: string, script: string, cwd = '/') => ({ name, script, cwd }) as Pm2Process

  test('belongs to one name in PM2: another one is another app, or this one before it was renamed', async () => {
    const home = folder()
    const layout = app(join(home, 'app'))
    const linked = layoutOf(join(home, 'linked'))
    symlinkSync(layout.base, linked.base)
    const old = named('old', runs(layout)[0]!.script)
    for (const same of [layout, linked]) {
      expect(await failureOf(assertFolderIsOurs(same, 'new', [old]))).toMatchObject({
        code: 'path-taken',
        message: `PM2 runs the app "old" from "${same.base}", and this run is for "new".`,
        remedy: expect.stringContaining('set `app-name: old`'),
      })
    }
    await assertFolderIsOurs(layout, 'old', [old])
    await assertFolderIsOurs(app(join(home, 'other')), 'new', [old])
  })

  test('is somebody else’s where an app of another name runs through their `current`', async () => {
    const layout = app(join(folder(), 'app'))
    const jobs = named('jobs', join(layout.current, 'jobs.cjs'), layout.current)
    mkdirSync(join(layout.releases, '20240101000000'))
    symlinkSync('releases/20240101000000', layout.current)
    expect(await failureOf(assertFolderIsOurs(layout, 'web', [jobs]))).toMatchObject({
      code: 'path-taken',
      message: expect.stringContaining('"jobs"'),
    })
    // Where `current` is a release of Gapless's, docs/recipes.md has it so.
    rmSync(layout.current)
    writeRelease(layout, '20260101000001')
    await pointCurrentAt(layout, '20260101000001')
    await assertFolderIsOurs(layout, 'web', [jobs])
  })
})
