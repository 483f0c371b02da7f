import { existsSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { releaseDirectory } from '../../../src/agent/store/layout.ts'
import { takeLock } from '../../../src/agent/system/lock.ts'
import { createOperations } from '../../../src/agent/operations/index.ts'
import { activatedAt } from '../../../src/agent/store/releases.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const [id, verifiedAt] = ['20260101000001', '2026-01-01T00:00:00.000Z'] as const

function discarding() {
  const layout = newLayout(folder())
  writeRelease(layout, id, verifiedAt)
  const options = { base: layout.base, appName: 'app', binPath: [], agentFile: '' }
  const { discard } = createOperations(options).handlers
  return {
    layout,
    discard: () =>
      discard(
        { id, remove: true },
        { body: (async function* () {})(), event() {}, send: async () => undefined, alive() {} },
      ),
  }
}

test('a discarded release is removed', async () => {
  const { layout, discard } = discarding()
  expect(await discard()).toEqual({ removed: true })
  expect(existsSync(releaseDirectory(layout, id))).toBe(false)
})

test('while an activation is at work, which may go back to it, the release is rejected and stays', async () => {
  const { layout, discard } = discarding()
  const lock = await takeLock(layout.lock, 'another deploy', 0)
  expect(await discard()).toEqual({ removed: false })
  expect(await activatedAt(layout, id)).toBeNull()
  expect(existsSync(releaseDirectory(layout, id))).toBe(true)
  await lock.release()
})
