/** Small file systems for tests of full and read-only disks. They need root. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'

export const mayMount = process.getuid?.() === 0

/** @param options as `mount -o` takes them: `size=2m`, `ro` @returns what unmounts it */
export function mountTmpfs(folder: string, options: string): () => void {
  mkdirSync(folder, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder])
  return () => execFileSync('umount', ['-l', folder])
}
