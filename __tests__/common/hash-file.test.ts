import { createHash } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { hashFile } from '../../src/common/hash-file.ts'
import { temporaryFolders } from '../support/folder.ts'

const folder = temporaryFolders()
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex')

describe('the hash of a file', () => {
  test('is of its content and nothing else', async () => {
    const [one, two] = [join(folder(), 'one'), join(folder(), 'two')]
    const content = Buffer.alloc(600_000, 'abc')
    writeFileSync(one, content)
    writeFileSync(two, content)
    chmodSync(two, 0o755)
    expect(await hashFile(one)).toBe(sha256(content))
    expect(await hashFile(two)).toBe(await hashFile(one))
  })

  test.each([
    ['empty', 0, 0],
    ['small', 1000, 1000],
    ['smaller than it was', 1000, 5000],
    ['larger than it was', 5000, 1000],
    ['much larger than it was', 600_000, 1000],
    ['large', 600_000, 600_000],
  ])('is of all that is there: %s', async (_, length, said) => {
    const file = join(folder(), 'file')
    const content = Buffer.alloc(length, 'abc')
    writeFileSync(file, content)
    expect(await hashFile(file, said)).toBe(sha256(content))
  })

  test('of what is not there is an error', async () => {
    const missing = join(folder(), 'missing')
    await expect(hashFile(missing)).rejects.toThrow('ENOENT')
    await expect(hashFile(missing, 1)).rejects.toThrow('ENOENT')
  })
})
