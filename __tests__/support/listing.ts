/** Everything in a folder, to see that nothing was changed. */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** A line for each entry: its path, kind, mode, inode and content. @param but paths that are passed over */
export function listing(folder: string, but: RegExp = /^$/): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !but.test(path))
    .sort()
    .map((path) => {
      const full = join(folder, path)
      const stat = lstatSync(full)
      const content = stat.isSymbolicLink()
        ? `-> ${readlinkSync(full)}`
        : stat.isFile()
          ? createHash('sha256').update(readFileSync(full)).digest('hex')
          : ''
      return [path, (stat.mode & 0o7777).toString(8), stat.ino, content].join(' ')
    })
}
