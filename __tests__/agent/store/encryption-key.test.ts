import { fork } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { encryptionKey, encryptionKeyFile } from '../../../src/agent/store/encryption-key.ts'
import { compile } from '../../support/compile.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout } from '../releases-on-disk.ts'

const folder = temporaryFolders()

describe('the key of server actions', () => {
  test('is created once, with 32 bytes that only the user can read', async () => {
    const layout = newLayout(folder())
    const key = await encryptionKey(layout, true)
    expect(Buffer.from(key!, 'base64')).toHaveLength(32)
    expect(Buffer.from(key!, 'base64').toString('base64')).toBe(key)
    expect(await encryptionKey(layout, true)).toBe(key)
    const file = encryptionKeyFile(layout)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(file)).mode & 0o777).toBe(0o700)
    expect(readdirSync(dirname(file))).toEqual(['server-actions'])
  })

  test('differs from app to app', async () => {
    expect(await encryptionKey(newLayout(folder()), true)).not.toBe(
      await encryptionKey(newLayout(folder()), true),
    )
  })

  test('is not created by a read', async () => {
    const layout = newLayout(folder())
    expect(await encryptionKey(layout, false)).toBeNull()
    expect(existsSync(dirname(encryptionKeyFile(layout)))).toBe(false)
  })

  test('is the same for several first deploys at once', async () => {
    const layout = newLayout(folder())
    const script = join(folder(), 'first.cjs')
    const module = join(compile(folder()), 'agent/store/encryption-key.js')
    writeFileSync(
      script,
      `const { encryptionKey } = require(${JSON.stringify(module)})
       process.once('message', (layout) => encryptionKey(layout, true).then((key) => process.send(key, () => process.disconnect())))
       process.send('ready')`,
    )
    const children = Array.from({ length: 6 }, () => fork(script))
    const next = (child: (typeof children)[number]) =>
      new Promise<unknown>((resolve) => child.once('message', resolve))
    await Promise.all(children.map(next))
    const answers = children.map(next)
    for (const child of children) child.send(layout)
    const keys = new Set(await Promise.all(answers))
    expect([...keys]).toEqual([readFileSync(encryptionKeyFile(layout), 'utf8').trim()])
    expect(readdirSync(dirname(encryptionKeyFile(layout)))).toEqual(['server-actions'])
  }, 60_000)

  test.each(['', 'not base64 at all', Buffer.alloc(16).toString('base64')])(
    'that is damaged (%j) is an error, and stays',
    async (content) => {
      const layout = newLayout(folder())
      const file = encryptionKeyFile(layout)
      mkdirSync(dirname(file))
      writeFileSync(file, content)
      const failure = await failureOf(encryptionKey(layout, true))
      expect(failure).toMatchObject({ code: 'encryption-key-damaged' })
      if (content !== '') expect(failure.message + failure.remedy).not.toContain(content)
      expect(readFileSync(file, 'utf8')).toBe(content)
    },
  )
})
