/** What is sent: two builds of the example app, or an app with very many files. */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
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
 * The example app with `files` more files, together of `bytes`, which pack about as well as a build does. Made below
 * the folder unless they are there already.
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
  for (const [name, changed] of [
    ['first', -1],
    ['second', files >> 1],
  ] as const) {
    cpSync(example.workspace, join(folder, name), { recursive: true, verbatimSymlinks: true })
    for (let index = 0; index < files; index += 1) {
      const at = join(
        folder,
        name,
        '.next/standalone/node_modules',
        `package-${index % 500}`,
        `lib${index % 7}`,
      )
      mkdirSync(at, { recursive: true })
      writeFileSync(join(at, `${index}.js`), content(index, index === changed ? 1 : 0, bytes / files))
    }
  }
}

/** Text of which a quarter is noise. Sizes differ as those of real files do: most are small, few are large. */
function content(index: number, version: number, mean: number): string {
  const size = index % 10 === 0 ? mean * 5.5 : mean / 2
  const lines: string[] = []
  let length = 0
  for (let line = 0; length < size; line += 1) {
    const noise = createHash('sha1').update(`${index} ${version} ${line}`).digest('base64')
    lines.push(`  exports.value${line} = function render(props) { return use(props, '${noise}') }`)
    length += lines[line]!.length + 1
  }
  return `${lines.join('\n')}\n`
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
