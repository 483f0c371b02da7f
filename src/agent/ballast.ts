/**
 * Room set aside on the disk while there is some, for the moment when there is none: an activation must be able to
 * go back, and to say how it ended, on a disk that filled up in the middle of it.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Several files, because inodes run out as well as blocks do. */
const FILES = 8
/** In bytes; random, because some file systems compress. */
const FILE_SIZE = 32 * 1024

/** @throws ENOSPC while nothing depends on it yet */
export async function takeBallast(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (let number = 0; number < FILES; number += 1) {
    await writeFile(join(folder, String(number)), randomBytes(FILE_SIZE), { mode: 0o600 })
  }
}

export async function dropBallast(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
}
