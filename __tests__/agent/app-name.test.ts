import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { assertNameIsOurs } from '../../src/agent/app-name.ts'
import { type Layout, layoutOf, makeFolders } from '../../src/agent/layout.ts'
import type { Pm2Process } from '../../src/agent/pm2.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'

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
