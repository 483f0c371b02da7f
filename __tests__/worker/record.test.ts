import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, jest, test } from '@jest/globals'
import { keepRecord } from '../../src/worker/record.ts'
import { temporaryFolders } from '../support/folder.ts'
import { until } from '../support/until.ts'

const folder = temporaryFolders()
afterEach(() => void jest.restoreAllMocks())

test('a record that could not be written is written as soon as it can be, with what is true then', async () => {
  const complaints = jest.spyOn(console, 'error').mockImplementation(() => undefined)
  const directory = join(folder(), 'workers')
  const file = join(directory, `${process.pid}.json`)
  // As a full disk does, it stands in the way.
  writeFileSync(directory, '')
  const record = keepRecord(directory, '20260101000001', false)
  record.update({ phase: 'open', doorPort: 3000 })
  expect(complaints).toHaveBeenCalledTimes(1)
  rmSync(directory)
  await until('the record is there', () => existsSync(file))
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ phase: 'open', doorPort: 3000 })
})
