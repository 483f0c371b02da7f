/** A reserve of disk space, to restore and record the verdict on a disk that filled up during the activation. */
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDiskFull } from './system-error.ts'

/** Many small files, because inodes run out as well as blocks: each worker needs one of both for its record. */
const FILES = 64
/** One block, in bytes. Random, because some file systems compress. */
const FILE_SIZE = 4096

/** @throws ENOSPC while nothing depends on the reserve yet */
export async function takeReserve(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (let number = 0; number < FILES; number += 1) {
    await writeFile(join(folder, String(number)), randomBytes(FILE_SIZE), { mode: 0o600 })
  }
}

async function dropReserve(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
}

/** Calls `act`. Where the disk is full, releases the reserve and calls it again. */
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
 * Releases the reserve as soon as the disk is full, although the activation itself has nothing to write: its workers
 * could not record that they serve. @returns a function that stops the guard
 */
export function guardReserve(folder: string): () => void {
  const probe = `${folder}.probe`
  const look = async () => {
    try {
      // The file system's own figures do not include quotas.
      await withReserve(folder, () => writeFile(probe, 'room', { mode: 0o600 }))
    } catch {
      // Still full, or read-only: the next writer reports it.
    } finally {
      await rm(probe, { force: true }).catch(() => undefined)
    }
  }
  const timer = setInterval(() => void look(), LOOK)
  return () => clearInterval(timer)
}
