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
  /** A disk with ballast on it, and nothing else. */
  async function fullDisk(use: (disk: string, ballast: string) => Promise<void>): Promise<void> {
    const disk = folder()
    const unmount = mountTmpfs(disk, 'size=2m')
    const ballast = join(disk, 'ballast')
    try {
      await takeReserve(ballast)
      fillTmpfs(disk, what)
      expect(() => writeFileSync(join(disk, 'more'), 'more')).toThrow('ENOSPC')
      await use(disk, ballast)
    } finally {
      unmount()
    }
  }

  withRoot('what must be written has room, and so have the records of 16 workers', () =>
    fullDisk(async (disk, ballast) => {
      await withReserve(ballast, () => writeFile(join(disk, 'journal'), 'a line'))
      for (let worker = 0; worker < 16; worker += 1) writeFileSync(join(disk, `${worker}.json`), '{}')
      expect(existsSync(ballast)).toBe(false)
    }),
  )

  withRoot('a guard makes room for others', () =>
    fullDisk(async (disk, ballast) => {
      const stop = guardReserve(ballast)
      try {
        await until('there is room', () => !existsSync(ballast))
        writeFileSync(join(disk, 'record'), '{}')
      } finally {
        stop()
      }
      await until('the guard has tidied up', () => !readdirSync(disk).includes('ballast.probe'))
    }),
  )
})

test('another error than a full disk keeps the reserve', async () => {
  const ballast = join(folder(), 'ballast')
  await takeReserve(ballast)
  await expect(withReserve(ballast, () => writeFile(join(ballast, 'no', 'such'), ''))).rejects.toThrow(
    'ENOENT',
  )
  expect(readdirSync(ballast)).toHaveLength(64)
})
