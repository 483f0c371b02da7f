/** Whether the disk has room for a release, checked before any content is written. */
import { statfs } from 'node:fs/promises'
import { failure } from '../../common/errors/server.ts'
import { formatBytes } from '../../common/format.ts'
import type { Failure } from '../../common/failure.ts'

export interface Need {
  bytes: number
  /** Files, folders and links. */
  inodes: number
}

const BLOCK = 4096
/** For the release's metadata, the journal and other writers on the same disk, in bytes. */
const SPARE = 4 * 1024 * 1024

export function addFile(need: Need, size: number): void {
  need.bytes += Math.ceil(size / BLOCK) * BLOCK
  need.inodes += 1
}

/** @throws Failure `disk-full` */
export async function assertDiskSpace(folder: string, need: Need): Promise<void> {
  const failure = await lackOfDiskSpace(folder, need)
  if (failure !== null) throw failure
}

/** @returns Failure `disk-full`, or null where there is room */
export async function lackOfDiskSpace(folder: string, need: Need): Promise<Failure | null> {
  const { bavail, bsize, files, ffree } = await statfs(folder)
  const lacking = (needed: string, free: string) =>
    failure('disk-full: no room', { needed, free }, { evidence: `in ${folder}` })
  if (bavail * bsize < need.bytes + SPARE) {
    return lacking(formatBytes(need.bytes + SPARE), formatBytes(bavail * bsize))
  }
  // Some file systems (btrfs) have no fixed number of inodes and report 0.
  if (files > 0 && ffree < need.inodes) return lacking(`${need.inodes} inodes`, String(ffree))
  return null
}
