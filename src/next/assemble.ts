/** What a release consists of, and where each part is on this machine. */
import { realpath } from 'node:fs/promises'
import { posix } from 'node:path'
import {
  compareBytes,
  escapes,
  type Excluded,
  type Layer,
  overlaid,
  type Tree,
  type TreeEntry,
} from './layers.ts'
import type { BuildOutput } from './output.ts'
import { isInside } from './paths.ts'

/**
 * Describes the release: the standalone server and the two folders that `next build` leaves out of it. Copies and reads
 * no content. Where two layers have the same path, the later one wins.
 * @param workspace a link in `public` to something in it becomes that file or folder
 * @param sharedPaths relative to the app: the server has its own content there, and links at them are not followed
 * @throws Failure `symlink-escapes`, `unsupported-file`, `file-name`
 */
export async function assemble(
  output: BuildOutput,
  workspace: string = output.directory,
  sharedPaths: readonly string[] = [],
): Promise<Tree> {
  const { relativeAppDir } = output
  const root = await realpath(workspace)
  const shared = new Set(sharedPaths.map((path) => posix.join(relativeAppDir, path)))
  const layers: readonly Layer[] = [
    await layer(output.standaloneDirectory, ''),
    await layer(output.staticDirectory, output.staticPath),
    ...(await publicLayers(output, root, shared)),
  ]
  const entries = overlaid(layers, excludedPaths(output), (path) => shared.has(path))
  return { entries: Array.from(entries, (entry) => withoutOthers(entry, output)) }
}

/**
 * What Next.js loads at run time is not readable by other users of the server: `.env` files, and the build except for
 * static files. It contains values of the build's environment, and the keys of server actions and previews (14 to 16).
 */
function withoutOthers(entry: TreeEntry, { relativeAppDir, distDir, staticPath }: BuildOutput): TreeEntry {
  if (entry.kind !== 'file') return entry
  const { path, mode } = entry
  if (/^\.env(\.[\w-]+)*$/.test(posix.basename(path))) return { ...entry, mode: 0o600 }
  const isOfBuild = path.startsWith(`${posix.join(relativeAppDir, distDir)}/`)
  if (!isOfBuild || path.startsWith(`${staticPath}/`)) return entry
  return { ...entry, mode: mode === 0o755 ? 0o700 : 0o600 }
}

/**
 * `.gapless` is for the release's metadata. `cache` and `route-cache` are written by a server, and exist only when the
 * build ran in place (14 to 16). The last two are private: a trace that included too much may contain them.
 */
function excludedPaths({ relativeAppDir, distDir }: BuildOutput): Excluded {
  const dist = posix.join(relativeAppDir, distDir)
  const paths = new Set(['.gapless', `${dist}/cache`, `${dist}/server/route-cache`])
  return (path, name) => paths.has(path) || name === '.git' || /^\.env(\.[\w-]+)?\.local$/.test(name)
}

async function layer(directory: string, prefix: string, linkedIn?: string): Promise<Layer> {
  return { source: await realpath(directory), prefix, linkedIn }
}

async function publicLayers(
  { publicDirectory, relativeAppDir }: BuildOutput,
  workspace: string,
  shared: ReadonlySet<string>,
): Promise<readonly Layer[]> {
  if (publicDirectory === undefined) return []
  const prefix = posix.join(relativeAppDir, 'public')
  const found = await layer(publicDirectory, prefix, workspace)
  if (isInside(workspace, found.source)) return [found]
  if (shared.has(prefix)) return []
  throw escapes(prefix, found.source)
}

export function withEntry(entries: readonly TreeEntry[], entry: TreeEntry): readonly TreeEntry[] {
  const next = entries.findIndex(({ path }) => compareBytes(entry.path, path) < 0)
  return entries.toSpliced(next < 0 ? entries.length : next, 0, entry)
}
