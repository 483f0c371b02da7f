/** Small file systems for tests of full and read-only disks. They need root. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, statfsSync } from 'node:fs'

export const mayMount = process.getuid?.() === 0

/** @param options as `mount -o` takes them: `size=2m`, `ro` @returns what unmounts it */
export function mountTmpfs(folder: string, options: string): () => void {
  mkdirSync(folder, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder])
  return () => execFileSync('umount', ['-l', folder])
}

/** Makes a mounted tmpfs as small as what is in it: not one block, or not one inode, is left. */
export function fillTmpfs(folder: string, what: 'blocks' | 'inodes'): void {
  for (let tries = 1; ; tries += 1) {
    const { blocks, bfree, bsize, files, ffree } = statfsSync(folder)
    try {
      remount(folder, what === 'blocks' ? `size=${(blocks - bfree) * bsize}` : `nr_inodes=${files - ffree}`)
      return
    } catch (error) {
      // The kernel refuses less than what is used, and somebody may have written since it was asked.
      if (tries === 20) throw error
    }
  }
}

export function remount(folder: string, options: string): void {
  execFileSync('mount', ['-o', `remount,${options}`, folder], { stdio: 'pipe' })
}
