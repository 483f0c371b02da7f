import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { layoutOf } from '../../../src/agent/store/layout.ts'
import { inspectServer } from '../../../src/agent/operations/inspect.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()
const identityOf = async (base: string) =>
  (await inspectServer(layoutOf(base), { found: null, searched: [] }, folder())).identity

test('a folder has one identity, by whatever way it is reached, and shares it with no other', async () => {
  const home = folder()
  const link = join(folder(), 'link')
  symlinkSync(home, link)
  const made = join(home, 'apps', 'site')
  // Before the first deploy the folder is missing.
  expect(await identityOf(join(link, 'apps', 'site'))).toBe(await identityOf(made))
  expect(await identityOf(join(home, 'apps', 'shop'))).not.toBe(await identityOf(made))
  mkdirSync(made, { recursive: true })
  expect(await identityOf(join(link, 'apps', 'site'))).toBe(await identityOf(made))
  expect(await identityOf(folder())).not.toBe(await identityOf(made))
})
