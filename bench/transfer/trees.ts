/** What is sent: two builds of the example app, or an app with very many files. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildExample } from '../../__tests__/support/builds.ts'

export interface Version {
  /** A workspace with a finished build. */
  readonly workspace: string
  /** The same laid out as a release, for those who cannot do it themselves. */
  readonly tree: string
}

/** Two builds that differ in one line of a page, below a folder; made there unless they are there already. */
export async function exampleApp(folder: string): Promise<readonly [Version, Version]> {
  const [first, second] = [join(folder, 'first'), join(folder, 'second')]
  if (!existsSync(second)) await buildExample({ first, second })
  return [versionOf(folder, 'first'), versionOf(folder, 'second')]
}

/**
 * The example app with `files` more files, together of `bytes`. Made below the folder unless they are there already.
 */
export function largeApp(
  example: Version,
  within: string,
  files: number,
  bytes: number,
): readonly [Version, Version] {
  const folder = join(within, `large-${files}-${bytes}`)
  if (!existsSync(join(folder, 'second'))) writeLarge(example, folder, files, bytes)
  return [versionOf(folder, 'first'), versionOf(folder, 'second')]
}

function writeLarge(example: Version, folder: string, files: number, bytes: number): void {
  const take = slices(realCode())
  for (const name of ['first', 'second']) {
    const options = { recursive: true, verbatimSymlinks: true }
    cpSync(example.workspace, join(folder, name), options)
  }
  for (let index = 0; index < files; index += 1) {
    const code = take(sizeOf(index, bytes / files))
    for (const [name, changed] of [
      ['first', -1],
      ['second', files >> 1],
    ] as const) {
      const folderInside = join(
        '.next/standalone/node_modules',
        `package-${Math.floor(index / 100)}`,
        `lib${index % 7}`,
      )
      const at = join(folder, name, folderInside)
      mkdirSync(at, { recursive: true })
      const version = index === changed ? 2 : 1
      writeFileSync(join(at, `${index}.js`), Buffer.concat([Buffer.from(`// ${index} ${version}\n`), code]))
    }
  }
}

/** As those of real files do: most are small, few are large. In bytes. */
function sizeOf(index: number, mean: number): number {
  return Math.round(index % 10 === 0 ? mean * 5.5 : mean / 2)
}

/** What developers have written, and packs like it: the packages of this project. */
function realCode(): Buffer {
  const options = { recursive: true, withFileTypes: true } as const
  const files = readdirSync(join(import.meta.dirname, '../../node_modules'), options)
    .filter((entry) => entry.isFile() && /\.[cm]?js$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
  return Buffer.concat(files.map((file) => readFileSync(file)).filter(({ length }) => length < 200_000))
}

/** One after the other, from the beginning again at the end: far further apart than anybody's window is wide. */
function slices(code: Buffer): (size: number) => Buffer {
  let at = 0
  return (size) => {
    if (at + size > code.length) at = 0
    at += size
    return code.subarray(at - size, at)
  }
}

function versionOf(folder: string, name: string): Version {
  const workspace = join(folder, name)
  const tree = join(folder, `${name}-tree`)
  if (!existsSync(tree)) {
    const options = { recursive: true, verbatimSymlinks: true }
    cpSync(join(workspace, '.next', 'standalone'), tree, options)
    cpSync(join(workspace, '.next', 'static'), join(tree, '.next', 'static'), options)
    cpSync(join(workspace, 'public'), join(tree, 'public'), options)
  }
  return { workspace, tree }
}
