/**
 * Room set aside on the disk while there is some, for the moment when there is none: an activation must be able to
 * go back, and to say how it ended, on a disk that filled up in the middle of it.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDiskFull } from './system-error.ts'

/** Many small files, because inodes run out as well as blocks do: each worker needs one of both for its record. */
const FILES = 64
/** In bytes: a block. Random, because some file systems compress. */
const FILE_SIZE = 4096

/** @throws ENOSPC while nothing depends on it yet */
export async function takeReserve(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (let number = 0; number < FILES; number += 1) {
    await writeFile(join(folder, String(number)), randomBytes(FILE_SIZE), { mode: 0o600 })
  }
}

async function dropReserve(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
}

/** Does it; where the disk is full, once more with the room that was set aside. */
export async function withReserve<T>(folder: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!isDiskFull(error)) throw error
    await dropReserve(folder)
    return await act()
  }
}

/** In ms: much shorter than any deadline of a worker. */
const LOOK = 1000

/**
 * Drops the ballast as soon as the disk is full, though the activation itself has nothing to write: its workers
 * cannot say that they serve then.
 * @returns what ends it
 */
export function guardReserve(folder: string): () => void {
  const probe = `${folder}.probe`
  const look = async () => {
    try {
      // The file system's own figures know nothing of quotas.
      await withReserve(folder, () => writeFile(probe, 'room', { mode: 0o600 }))
    } catch {
      // Full all the same, or read-only: whoever must write will say so.
    } finally {
      await rm(probe, { force: true }).catch(() => undefined)
    }
  }
  const timer = setInterval(() => void look(), LOOK)
  return () => clearInterval(timer)
}
