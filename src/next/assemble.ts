import { isUtf8 } from 'node:buffer'
import { type Dirent, lstatSync } from 'node:fs'
import { lstat, readdir, readlink, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, posix, sep } from 'node:path'
import { Failure } from '../protocol/failure.ts'
import type { BuildOutput } from './output.ts'
import { isInside } from './paths.ts'

/** Paths are relative to the release's root, with forward slashes. */
export type TreeEntry =
  | {
      readonly kind: 'file'
      readonly path: string
      /** Where the content is now, absolute. */
      readonly source: string
      /** In bytes. */
      readonly size: number
      readonly mode: 0o600 | 0o644 | 0o700 | 0o755
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  /** Only for an empty folder: the others follow from what is in them. */
  | { readonly kind: 'directory'; readonly path: string }

export interface Tree {
  /** Sorted by the bytes of the path. */
  readonly entries: readonly TreeEntry[]
}

/** A folder on this machine and its place in the release. */
interface Layer {
  /** With symbolic links resolved. */
  readonly source: string
  readonly prefix: string
  /** Where a link that leaves the layer may find the file that it stands for; undefined: nowhere. */
  readonly linkedFilesIn: string | undefined
}

/**
 * Describes the release: the standalone server with the two folders that `next build` leaves out of it. Copies
 * and reads no content. Where two layers have the same path, the later one wins.
 *
 * @param workspace the repository's folder: a link in `public` to a file in here becomes that file
 * @throws Failure `symlink-escapes`, `unsupported-file`, `file-name`
 */
export async function assemble(output: BuildOutput, workspace: string = output.directory): Promise<Tree> {
  const { relativeAppDir } = output
  const root = await realpath(workspace)
  const layers: readonly Layer[] = [
    await layer(output.standaloneDirectory, ''),
    await layer(output.staticDirectory, output.staticPath),
    ...(output.publicDirectory === undefined
      ? []
      : [await publicLayer(output.publicDirectory, posix.join(relativeAppDir, 'public'), root)]),
  ]
  const excluded = excludedPaths(output)
  const walked = await Promise.all(layers.map((each) => walk(each, excluded)))
  return { entries: sortByBytes(walked.reduce(overlay).map((entry) => withoutOthers(entry, output))) }
}

/**
 * Other users of the server have no business with what Next.js loads at run time: `.env` files, and of the build all
 * but the static files. The keys of server actions and of previews stand there (`server-reference-manifest.json`,
 * `prerender-manifest.json`, seen in 14 to 16), and code with values that were put in at build time.
 */
function withoutOthers(entry: TreeEntry, { relativeAppDir, distDir, staticPath }: BuildOutput): TreeEntry {
  if (entry.kind !== 'file') return entry
  const { path, mode } = entry
  if (/^\.env(\.[\w-]+)*$/.test(posix.basename(path))) return { ...entry, mode: 0o600 }
  const isOfBuild = path.startsWith(`${posix.join(relativeAppDir, distDir)}/`)
  if (!isOfBuild || path.startsWith(`${staticPath}/`)) return entry
  return { ...entry, mode: mode === 0o755 ? 0o700 : 0o600 }
}

/** Whether a path of the release, and all below it, is left out. */
type Excluded = (path: string, name: string) => boolean

/**
 * `.gapless` belongs to the release's own records. `cache` and `route-cache` are written by a running server, and
 * there only when the build was run in place (Next.js 14 to 16). The last two are nobody's business: a trace that
 * took in more than was meant (`outputFileTracingIncludes`, a path that is put together at run time) may hold them.
 */
function excludedPaths({ relativeAppDir, distDir }: BuildOutput): Excluded {
  const dist = posix.join(relativeAppDir, distDir)
  const paths = new Set(['.gapless', `${dist}/cache`, `${dist}/server/route-cache`])
  return (path, name) => paths.has(path) || name === '.git' || /^\.env(\.[\w-]+)?\.local$/.test(name)
}

async function layer(directory: string, prefix: string, linkedFilesIn?: string): Promise<Layer> {
  return { source: await realpath(directory), prefix, linkedFilesIn }
}

async function publicLayer(directory: string, prefix: string, workspace: string): Promise<Layer> {
  const found = await layer(directory, prefix, workspace)
  if (!isInside(workspace, found.source)) throw escapes(prefix, found.source)
  return found
}

/**
 * Everything below a folder, one folder after the other: a promise for each of 50,000 files would take 400 MB,
 * and be no faster.
 */
async function walk(from: Layer, excluded: Excluded): Promise<readonly TreeEntry[]> {
  const entries: TreeEntry[] = []
  const waiting = [{ directory: from.source, path: from.prefix }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { directory, path } = next
    const children = await readdir(directory, { withFileTypes: true, encoding: 'buffer' })
    if (children.length === 0 && path !== '') entries.push({ kind: 'directory', path })
    for (const child of children) {
      const name = decode(child.name, path)
      const source = join(directory, name)
      const childPath = posix.join(path, name)
      if (excluded(childPath, name)) continue
      if (child.isDirectory()) waiting.push({ directory: source, path: childPath })
      else if (child.isFile()) entries.push(file(childPath, source))
      else entries.push(await describeOther(from, child, source, childPath))
    }
  }
  return entries
}

async function describeOther(
  from: Layer,
  child: Dirent<Buffer>,
  source: string,
  path: string,
): Promise<TreeEntry> {
  if (child.isSymbolicLink()) return link(from, path, source)
  throw new Failure('unsupported-file', `${source} is neither a file, a folder nor a symbolic link.`, {
    remedy: 'Sockets, pipes and devices cannot be part of a release: remove it, or keep it out of the build.',
  })
}

/** At once: it takes less time than a turn of the event loop. */
function file(path: string, source: string): TreeEntry {
  const { size, mode } = lstatSync(source)
  return { kind: 'file', path, source, size, mode: (mode & 0o100) === 0 ? 0o644 : 0o755 }
}

/**
 * A link that stays in its layer is kept as it is: Turbopack and pnpm build node_modules out of them. One that
 * leaves `public` for a regular file in the repository becomes a file with that content, because the release
 * would not have the other end. Every other one would point at whatever the server has there.
 */
async function link(from: Layer, path: string, source: string): Promise<TreeEntry> {
  const target = decode(await readlink(source, { encoding: 'buffer' }), path)
  // Undefined for a link to nothing, which is judged by its text alone.
  const real = await realpath(source).catch(() => undefined)
  const named = join(dirname(source), target)
  const stays = !isAbsolute(target) && isInside(from.source, named)
  if (stays && (real === undefined || isInside(from.source, real))) return { kind: 'link', path, target }
  if (real === undefined || from.linkedFilesIn === undefined) throw escapes(path, target)
  // .git holds the token that actions/checkout leaves in its config: nothing in there is meant to be public.
  const allowed = isInside(from.linkedFilesIn, real) && !real.split(sep).includes('.git')
  if (!allowed || !(await lstat(real)).isFile()) throw escapes(path, target)
  return file(path, real)
}

function escapes(path: string, target: string): Failure {
  return new Failure(
    'symlink-escapes',
    `${path} is a symbolic link to ${target}, which leaves the release.`,
    {
      remedy:
        'Links must be relative and stay inside the build. In public, a link to a file of the repository is ' +
        'fine too: its content is taken. For anything else, put the content itself there.',
    },
  )
}

function decode(name: Buffer, path: string): string {
  if (isUtf8(name)) return name.toString('utf8')
  const shown = JSON.stringify(name.toString('latin1')).replace(
    /[\x7f-\xff]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16)}`,
  )
  throw new Failure('file-name', `The name ${shown} in ${path || 'the build'} is not valid UTF-8.`, {
    remedy: 'Rename the file.',
    evidence: `in hexadecimal: ${name.toString('hex')}`,
  })
}

/** What of the lower layer remains visible under the upper one, and the upper one. */
function overlay(lower: readonly TreeEntry[], upper: readonly TreeEntry[]): readonly TreeEntry[] {
  // A path with something at or below it in the upper layer, and a path that is no folder there.
  const covered = new Set(upper.flatMap(({ path }) => [path, ...foldersOf(path)]))
  const opaque = new Set(upper.filter(({ kind }) => kind !== 'directory').map(({ path }) => path))
  const isVisible = ({ path }: TreeEntry) => {
    if (covered.has(path)) return false
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      if (opaque.has(path.slice(0, slash))) return false
    }
    return true
  }
  return [...lower.filter(isVisible), ...upper]
}

/** `a/b/c` lies in `a/b` and `a`. */
function foldersOf(path: string): readonly string[] {
  const folder = posix.dirname(path)
  return folder === '.' ? [] : [folder, ...foldersOf(folder)]
}

/** The entries with one more, in its place. */
export function withEntry(entries: readonly TreeEntry[], entry: TreeEntry): readonly TreeEntry[] {
  return sortByBytes([...entries, entry])
}

/** Bytes, not UTF-16 units as JavaScript's own order has it: both ends of the wire must agree. */
function sortByBytes(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  return entries.toSorted((a, b) => compareBytes(a.path, b.path))
}

/** From here on a character's place among UTF-16 units is not that of its bytes. */
const ELSEWHERE = /[\ud800-\uffff]/

function compareBytes(a: string, b: string): number {
  if (ELSEWHERE.test(a) || ELSEWHERE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : Number(a > b)
}
