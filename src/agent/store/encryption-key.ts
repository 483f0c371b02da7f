/**
 * The key with which Next.js names and encrypts server actions (14.2, 15.5, 16.4). All releases of an app share
 * one: otherwise a page from before a deploy calls actions that the new release does not know.
 */
import { randomBytes } from 'node:crypto'
import { link, mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { failure } from '../../common/errors/server.ts'
import { ACTIONS_KEY } from '../../protocol/messages.ts'
import { readIfThere, syncFolder, writeFileAtomic } from '../system/files.ts'
import type { Layout } from './layout.ts'

const BYTES = 32

export function encryptionKeyFile({ own }: Layout): string {
  return join(own, 'keys', 'server-actions')
}

/**
 * Returns the app's key. The first deploy creates it; two deploys at the same moment return the same key.
 * @returns base64, or null where there is none
 * @throws Failure `encryption-key-damaged`
 */
export async function encryptionKey(layout: Layout, create: boolean): Promise<string | null> {
  const file = encryptionKeyFile(layout)
  const there = await readKey(file)
  if (there !== null || !create) return there

  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const mine = `${file}.${randomBytes(6).toString('hex')}`
  await writeFileAtomic(mine, `${randomBytes(BYTES).toString('base64')}\n`, 0o600)
  try {
    // A link never replaces the key of another deploy. A file system without hard links has only the rename, which does.
    await link(mine, file).catch((error: NodeJS.ErrnoException) =>
      error.code === 'EEXIST' ? undefined : rename(mine, file),
    )
    await syncFolder(dirname(file))
  } finally {
    await rm(mine, { force: true })
  }
  return readKey(file)
}

async function readKey(file: string): Promise<string | null> {
  const key = (await readIfThere(file))?.trim()
  if (key === undefined) return null
  if (ACTIONS_KEY.test(key)) return key
  throw failure('encryption-key-damaged', { file })
}
