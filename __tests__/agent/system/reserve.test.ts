import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { guardReserve, takeReserve, withReserve } from '../../../src/agent/system/reserve.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { fillTmpfs, mayMount, mountTmpfs } from '../../support/test-mounts.ts'
import { until } from '../../support/until.ts'

const folder = temporaryFolders()
const withRoot = mayMount ? test : test.skip

describe.each(['blocks', 'inodes'] as const)('where the disk has no more %s', (what) => {
  /** A disk with a reserve on it, and nothing else. */
  async function fullDisk(use: (disk: string, reserve: string) => Promise<void>): Promise<void> {
    const disk = folder()
    const unmount = mountTmpfs(disk, 'size=2m')
    const reserve = join(disk, 'reserve')
    try {
      await takeReserve(reserve)
      fillTmpfs(disk, what)
      expect(() => writeFileSync(join(disk, 'more'), 'more')).toThrow('ENOSPC')
      await use(disk, reserve)
    } finally {
      unmount()
    }
  }

  withRoot('what must be written has room, and so have the records of 16 workers', () =>
    fullDisk(async (disk, reserve) => {
      await withReserve(reserve, () => writeFile(join(disk, 'journal'), 'a line'))
      for (let worker = 0; worker < 16; worker += 1) writeFileSync(join(disk, `${worker}.json`), '{}')
      expect(existsSync(reserve)).toBe(false)
    }),
  )

  withRoot('a guard makes room for others', () =>
    fullDisk(async (disk, reserve) => {
      const stop = guardReserve(reserve)
      try {
        await until('there is room', () => !existsSync(reserve))
        writeFileSync(join(disk, 'record'), '{}')
      } finally {
        stop()
      }
      await until('the guard has tidied up', () => !readdirSync(disk).includes('reserve.probe'))
    }),
  )
})

test('another error than a full disk keeps the reserve', async () => {
  const reserve = join(folder(), 'reserve')
  await takeReserve(reserve)
  await expect(withReserve(reserve, () => writeFile(join(reserve, 'no', 'such'), ''))).rejects.toThrow(
    'ENOENT',
  )
  expect(readdirSync(reserve)).toHaveLength(64)
})
