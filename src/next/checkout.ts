/** Whether the checkout is complete: Git LFS, submodules and history are left out by default. */
import { closeSync, openSync, readSync } from 'node:fs'
import { join, relative } from 'node:path'
import { failure } from '../common/errors/build.ts'
import { NEXT_CONFIGURATIONS } from './app-package.ts'
import { entriesIn, isDirectory, isFile, readTextIfAny } from './files.ts'
import type { TreeEntry } from './layers.ts'
import { readPackageJson } from './package-json.ts'
import { ancestors, isInside } from './paths.ts'

/**
 * Checks what will be served, before anything is built.
 * @param sharedPaths relative to the app: the server has its own content there
 * @returns warnings about what the build may lack, one sentence each
 * @throws Failure `checkout-incomplete`
 */
export function assertCheckedOut(
  directory: string,
  workspace: string,
  sharedPaths: readonly string[] = [],
): readonly string[] {
  const isShared = (path: string) => sharedPaths.some((shared) => isInside(join(directory, shared), path))
  const named = (path: string) => relative(workspace, path)
  const served = join(directory, 'public')
  const empty = emptySubmodules(workspace).filter((path) => !isShared(path))
  refuse('checkout-incomplete: submodule', empty.filter((path) => isInside(served, path)).map(named))
  const pointers = pointersBelow(served).filter((path) => !isShared(path))
  refusePointers(pointers.map(named))
  const lfs = usesLfs(directory, workspace) ? pointersBelow(directory) : []
  const bundled = lfs.filter((path) => !isShared(path))
  const doubts = [
    empty.length > 0 &&
      `The submodule ${list(empty.map(named))} is empty: set \`submodules: recursive\` ${CHECKOUT}.`,
    bundled.length > 0 &&
      `${list(bundled.map(named))} is a Git LFS pointer, not the file itself: set \`lfs: true\` ${CHECKOUT}.`,
    isFile(join(workspace, '.git/shallow')) &&
      readsHistory(directory) &&
      `The build reads the Git history, and the checkout has only one commit: set \`fetch-depth: 0\` ${CHECKOUT}.`,
  ]
  return doubts.filter((doubt) => doubt !== false)
}

const CHECKOUT = 'under `with:` of the step with actions/checkout'

/** Whether an entry of the release is a Git LFS pointer. Packages from npm are skipped. */
export function isPointerOfRelease(entry: TreeEntry): boolean {
  return (
    entry.kind === 'file' &&
    !entry.path.split('/').includes('node_modules') &&
    hasPointer(entry.source, entry.size)
  )
}

/** @throws Failure `checkout-incomplete` when there is one */
export function refusePointers(paths: readonly string[]): void {
  refuse('checkout-incomplete', paths)
}

function refuse(
  key: 'checkout-incomplete' | 'checkout-incomplete: submodule',
  paths: readonly string[],
): void {
  if (paths.length > 0) throw failure(key, { paths: list(paths) }, { evidence: paths.join('\n') })
}

/** Returns the submodules that the checkout left out: their folders are empty. */
export function emptySubmodules(workspace: string): readonly string[] {
  const text = readTextIfAny(join(workspace, '.gitmodules')) ?? ''
  return [...text.matchAll(/^[ \t]*path[ \t]*=[ \t]*(\S.*)$/gm)]
    .map(([, path = '']) => join(workspace, path.trim().replace(/^"|"$/g, '')))
    .filter((path) => isInside(workspace, path) && entriesIn(path).length === 0)
}

function list([first = '', ...others]: readonly string[]): string {
  return others.length === 0 ? `"${first}"` : `"${first}" (and ${others.length} more like it)`
}

function usesLfs(directory: string, workspace: string): boolean {
  return ancestors(directory, workspace).some((folder) =>
    /\bfilter=lfs\b/.test(readTextIfAny(join(folder, '.gitattributes')) ?? ''),
  )
}

function pointersBelow(directory: string): readonly string[] {
  return entriesIn(directory).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isFile()) return hasPointer(path) ? [path] : []
    const search = isDirectory(path) && entry.isDirectory()
    return search && entry.name !== 'node_modules' && !entry.name.startsWith('.') ? pointersBelow(path) : []
  })
}

/** As git-lfs 3 writes them; at most 1 KB by its specification. */
const POINTER =
  /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n(?:ext-[^\n]*\n)*oid sha256:[0-9a-f]{64}\nsize \d+\n?$/
const LONGEST = 1024

function hasPointer(file: string, size = 0): boolean {
  if (size > LONGEST) return false
  const start = startOf(file, LONGEST + 1)
  return start.length <= LONGEST && POINTER.test(start)
}

function startOf(file: string, length: number): string {
  try {
    const handle = openSync(file, 'r')
    try {
      const bytes = Buffer.alloc(length)
      return bytes.toString('latin1', 0, readSync(handle, bytes, 0, length, 0))
    } finally {
      closeSync(handle)
    }
  } catch {
    // The code that needs the file reports why it cannot be read.
    return ''
  }
}

const HISTORY = /\bgit\s+(?:describe|log|rev-list|show|blame|diff)\b/

function readsHistory(directory: string): boolean {
  const { build, prebuild } = readPackageJson(directory)?.scripts ?? {}
  const configurations = NEXT_CONFIGURATIONS.map((name) => readTextIfAny(join(directory, name)))
  return [build, prebuild, ...configurations].some((text) => typeof text === 'string' && HISTORY.test(text))
}
