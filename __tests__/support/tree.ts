/** A deploy tree on this machine, from a few lines: what `assemble` gives, without Next.js. */
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Tree, TreeEntry } from '../../src/next/layers.ts'
import { createManifest, type Manifest } from '../../src/transfer/manifest.ts'

export type Content =
  string | Buffer | { readonly program: string } | { readonly link: string } | { readonly directory: true }

/** @param contents by path; a text is a file of mode 0644, a program one of mode 0755 */
export function writeTree(folder: string, contents: Readonly<Record<string, Content>>): Tree {
  const entries = Object.entries(contents).map(([path, content]): TreeEntry => {
    if (typeof content === 'object' && 'link' in content) return { kind: 'link', path, target: content.link }
    if (typeof content === 'object' && 'directory' in content) return { kind: 'directory', path }
    const source = join(folder, path)
    const isProgram = typeof content === 'object' && 'program' in content
    const mode = isProgram ? 0o755 : 0o644
    mkdirSync(dirname(source), { recursive: true })
    writeFileSync(source, isProgram ? content.program : content)
    chmodSync(source, mode)
    return { kind: 'file', path, source, size: statSync(source).size, mode }
  })
  return { entries }
}

export function manifestOf(folder: string, contents: Readonly<Record<string, Content>>): Promise<Manifest> {
  return createManifest(writeTree(folder, contents))
}
