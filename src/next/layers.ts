/** Folders laid over one another, as one tree. */
import { isUtf8 } from 'node:buffer'
import { type Dirent, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { dirname, isAbsolute, join, posix, sep } from 'node:path'
import { failure } from '../common/errors/build.ts'
import type { Failure } from '../common/failure.ts'
import { fileUnreadable } from '../common/file-unreadable.ts'
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
  /** Only for an empty folder: the others follow from their entries. */
  | { readonly kind: 'directory'; readonly path: string }

export interface Tree {
  /** Sorted by the bytes of the path. */
  readonly entries: readonly TreeEntry[]
}

/** A folder on this machine and its place in the release. */
export interface Layer {
  /** With symbolic links resolved. */
  readonly source: string
  readonly prefix: string
  /** The folder in which a link that leaves the layer may find its target; undefined: nowhere. */
  readonly linkedIn: string | undefined
  /** The folders through which links led here, with links resolved: none of them is entered again. */
  readonly linkedFrom?: readonly string[]
}

/** Whether a path of the release, with everything below it, is left out. */
export type Excluded = (path: string, name: string) => boolean

/** Whether the server puts its own content at a path of the release. */
export type Shared = (path: string) => boolean

/**
 * Everything in the layers, sorted by the bytes of the paths; of two with the same path the later layer wins.
 * @throws Failure `symlink-escapes`, `unsupported-file`, `file-name`, `file-unreadable`
 */
export function overlaid(
  layers: readonly Layer[],
  excluded: Excluded,
  shared: Shared,
): Generator<TreeEntry, void, undefined> {
  // The last one first: it wins.
  const places = layers.toReversed().map((layer) => placeOf(layer, ''))
  return below('', places, excluded, shared)
}

interface Place {
  readonly layer: Layer
  /** On this machine; undefined where the layer itself starts further below. */
  readonly directory: string | undefined
  /** Once it has been listed. */
  children?: ReadonlyMap<string, Child>
}

interface Child {
  readonly place: Place
  /** Undefined for a folder that exists only as part of the layer's prefix. */
  readonly entry: Dirent<Buffer> | undefined
  /** The folder to read, or the folder that the link stands for. */
  readonly folder: Layer | undefined
}

function* below(
  path: string,
  places: readonly Place[],
  excluded: Excluded,
  shared: Shared,
): Generator<TreeEntry, void, undefined> {
  const children = new Map<string, Child[]>()
  for (const place of places) {
    for (const [name, child] of childrenOf(place, path)) {
      const others = children.get(name)
      if (others === undefined) children.set(name, [child])
      else others.push(child)
    }
  }
  if (children.size === 0 && path !== '') yield { kind: 'directory', path }

  const found = [...children].flatMap(([name, all]) => {
    const childPath = posix.join(path, name)
    if (excluded(childPath, name)) return []
    const folders = foldersOf(all, childPath)
    // The content of a folder sorts by the slash that follows its name; an empty folder is an entry itself.
    const isFull = folders.some((place) => childrenOf(place, childPath).size > 0)
    return [{ name, childPath, child: all[0]!, folders, key: isFull ? `${name}/` : name }]
  })
  for (const { name, childPath, child, folders } of found.toSorted((a, b) => compareBytes(a.key, b.key))) {
    if (folders.length > 0) {
      yield* below(childPath, folders, excluded, shared)
      continue
    }
    const entry = describe(child, childPath, name)
    if (entry !== undefined) yield entry
    // The link's target is not used: the server puts its own content there.
    else if (!shared(childPath)) throw escapes(childPath, linkText(child, childPath, name))
  }
}

/** The folders of one name that are merged: those above the first entry that is no folder. */
function foldersOf(children: readonly Child[], path: string): readonly Place[] {
  const end = children.findIndex(({ folder }) => folder === undefined)
  return children
    .slice(0, end < 0 ? children.length : end)
    .flatMap(({ folder }) => (folder === undefined ? [] : [placeOf(folder, path)]))
}

function placeOf(layer: Layer, path: string): Place {
  const { source, prefix } = layer
  if (isAbove(path, prefix)) return { layer, directory: undefined }
  return { layer, directory: join(source, posix.relative(prefix, path)) }
}

function isAbove(path: string, prefix: string): boolean {
  return path === '' ? prefix !== '' : prefix.startsWith(`${path}/`)
}

function childrenOf(place: Place, path: string): ReadonlyMap<string, Child> {
  place.children ??= new Map(childrenIn(place, path))
  return place.children
}

function* childrenIn({ layer, directory }: Place, path: string): Generator<[string, Child], void, undefined> {
  if (directory === undefined) {
    const [name = ''] = layer.prefix.slice(path === '' ? 0 : path.length + 1).split('/')
    yield [name, { place: { layer, directory }, entry: undefined, folder: layer }]
    return
  }
  for (const entry of listed(directory)) {
    const name = decode(entry.name, path)
    const folder = folderOf(layer, entry, join(directory, name), posix.join(path, name))
    yield [name, { place: { layer, directory }, entry, folder }]
  }
}

function folderOf(layer: Layer, entry: Dirent<Buffer>, source: string, path: string): Layer | undefined {
  if (entry.isDirectory()) return layer
  if (!entry.isSymbolicLink()) return undefined
  const real = elsewhereInRepository(layer, source)
  if (real === undefined || !lstatSync(real).isDirectory()) return undefined
  const linkedFrom = [...(layer.linkedFrom ?? []), realpathSync.native(dirname(source))]
  if (linkedFrom.some((folder) => isInside(real, folder))) return undefined
  return { source: real, prefix: path, linkedIn: layer.linkedIn, linkedFrom }
}

function listed(directory: string): readonly Dirent<Buffer>[] {
  try {
    return readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })
  } catch (error) {
    throw fileUnreadable(directory, error)
  }
}

/** @returns undefined for a link that leaves the release */
function describe(
  { place: { layer, directory }, entry }: Child,
  path: string,
  name: string,
): TreeEntry | undefined {
  const source = join(directory!, name)
  if (entry!.isFile()) return file(path, source)
  if (entry!.isSymbolicLink()) return link(layer, path, source)
  throw failure('unsupported-file', { path: source })
}

function file(path: string, source: string): TreeEntry {
  const { size, mode } = lstatSync(source)
  return { kind: 'file', path, source, size, mode: (mode & 0o100) === 0 ? 0o644 : 0o755 }
}

/**
 * A link that stays in its layer is kept: Turbopack and pnpm build node_modules out of links. A link that
 * leaves `public` for a file or a folder of the repository becomes its target, because the release would not
 * have the target. Any other link would point at whatever the server has there.
 */
function link(from: Layer, path: string, source: string): TreeEntry | undefined {
  // The server accepts `..` only at the beginning: elsewhere it may follow another link, and lead up from there.
  const target = posix.normalize(readLink(source, path))
  if (staysIn(from, source, target)) return { kind: 'link', path, target }
  const real = elsewhereInRepository(from, source)
  return real !== undefined && lstatSync(real).isFile() ? file(path, real) : undefined
}

/** Whether a link leads to the same place inside its layer when its text alone is resolved. */
function staysIn(from: Layer, source: string, target: string): boolean {
  const named = join(dirname(source), target)
  if (isAbsolute(target) || !isInside(from.source, named)) return false
  // Undefined for a link to nothing, which is judged by its text alone.
  const real = realPathIfAny(source)
  return realPathIfAny(named) === real && (real === undefined || isInside(from.source, real))
}

/** Returns the target of a link that leaves its layer, where the target may become part of the release. */
function elsewhereInRepository(from: Layer, source: string): string | undefined {
  if (from.linkedIn === undefined) return undefined
  const real = realPathIfAny(source)
  if (real === undefined || (isInside(from.source, real) && !lstatSync(real).isFile())) return undefined
  // .git holds the token that actions/checkout leaves in its config: nothing in there may become public.
  return isInside(from.linkedIn, real) && !real.split(sep).includes('.git') ? real : undefined
}

function readLink(source: string, path: string): string {
  return decode(readlinkSync(source, { encoding: 'buffer' }), path)
}

function linkText({ place: { directory } }: Child, path: string, name: string): string {
  return readLink(join(directory!, name), path)
}

function realPathIfAny(path: string): string | undefined {
  try {
    // Node's own realpathSync resolves `..` after a link by the text (18 to 24).
    return realpathSync.native(path)
  } catch {
    return undefined
  }
}

export function escapes(path: string, target: string): Failure {
  return failure('symlink-escapes', { path, target })
}

function decode(name: Buffer, path: string): string {
  if (isUtf8(name)) return name.toString('utf8')
  const shown = JSON.stringify(name.toString('latin1')).replace(
    /[\x7f-\xff]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16)}`,
  )
  throw failure(
    'file-name',
    { name: shown, folder: path || '.' },
    { evidence: `in hexadecimal: ${name.toString('hex')}` },
  )
}

/** From here on the order of UTF-16 units differs from the order of bytes. */
const ELSEWHERE = /[\ud800-\uffff]/

/** Compares by bytes, not by UTF-16 units as JavaScript does: both sides of the wire must agree. */
export function compareBytes(a: string, b: string): number {
  if (ELSEWHERE.test(a) || ELSEWHERE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : Number(a > b)
}
