import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { exists, linkTarget, readIfThere, writeFileAtomic } from '../../../src/agent/system/files.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()

describe('writing a file', () => {
  test('gives it the content and the mode, whatever the umask', async () => {
    const file = join(folder(), 'file')
    const before = process.umask(0o077)
    try {
      await writeFileAtomic(file, 'content', 0o644)
    } finally {
      process.umask(before)
    }
    expect(readFileSync(file, 'utf8')).toBe('content')
    expect(statSync(file).mode & 0o777).toBe(0o644)
  })

  test('replaces it whole: who has the old one open keeps the old one', async () => {
    const file = join(folder(), 'file')
    writeFileSync(file, 'old')
    const before = statSync(file).ino
    await writeFileAtomic(file, 'new', 0o600)
    expect(readFileSync(file, 'utf8')).toBe('new')
    expect(statSync(file).ino).not.toBe(before)
  })

  test('that fails leaves nothing behind', async () => {
    const parent = folder()
    const target = join(parent, 'a-folder')
    mkdirSync(join(target, 'not-empty'), { recursive: true })
    await expect(writeFileAtomic(target, 'content', 0o600)).rejects.toThrow(/EISDIR|ENOTEMPTY/)
    expect(readdirSync(parent)).toEqual(['a-folder'])
  })
})

describe('looking', () => {
  test('tells what is there from what is not', async () => {
    const parent = folder()
    const file = join(parent, 'file')
    writeFileSync(file, 'text')
    symlinkSync('nowhere', join(parent, 'dangling'))
    expect(await readIfThere(file)).toBe('text')
    expect(await readIfThere(join(parent, 'missing'))).toBeNull()
    expect(await readIfThere(join(file, 'below a file'))).toBeNull()
    expect(await exists(join(parent, 'dangling'))).toBe(true)
    expect(await exists(join(parent, 'missing'))).toBe(false)
    expect(await linkTarget(join(parent, 'dangling'))).toBe('nowhere')
    expect(await linkTarget(join(parent, 'missing'))).toBeNull()
  })

  test('does not call missing what it could not read', async () => {
    const parent = folder()
    await expect(readIfThere(parent)).rejects.toThrow('EISDIR')
    await expect(linkTarget(parent)).rejects.toThrow('EINVAL')
  })
})
