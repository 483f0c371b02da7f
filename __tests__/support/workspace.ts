/** A user's repository: a copy of the example app that tests may change and break. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const example = join(import.meta.dirname, '..', '..', 'examples', 'next-app')

export interface Workspace {
  readonly path: string
  read(file: string): string
  write(file: string, text: string): void
  /** The text that tells one release from another; it is part of the build. */
  setMessage(message: string): void
  /** A copy, in a new folder if not `to` this one, with its build but without node_modules: for `build-command: none`. */
  copyBuilt(to?: string): Workspace
  remove(): void
}

/** The sources alone, as a checkout has them. */
export function checkOut(): Workspace {
  const path = mkdtempSync(join(tmpdir(), 'gapless-workspace-'))
  cpSync(example, path, {
    recursive: true,
    filter: (source) => !/\/(node_modules|\.next)$/.test(source),
  })
  return workspaceAt(path)
}

export function workspaceAt(path: string): Workspace {
  const write = (file: string, text: string) => {
    // Removed first: the file may be a hard link into the package manager's store.
    rmSync(join(path, file), { force: true })
    writeFileSync(join(path, file), text)
  }
  return {
    path,
    read: (file) => readFileSync(join(path, file), 'utf8'),
    write,
    setMessage: (message) => write('app/message.ts', `export const message = '${message}'\n`),
    copyBuilt(copy = mkdtempSync(join(tmpdir(), 'gapless-workspace-'))) {
      const kept = new RegExp(`^${path}(/(package\\.json|public|\\.next(/(?!cache).*)?)(/.*)?)?$`)
      cpSync(path, copy, { recursive: true, verbatimSymlinks: true, filter: (source) => kept.test(source) })
      return workspaceAt(copy)
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}

/** Makes a built release misbehave: `code` runs in its server.js before Next starts. */
export function sabotage(workspace: Workspace, code: string): Workspace {
  const file = '.next/standalone/server.js'
  workspace.write(file, `${code}\n${workspace.read(file)}`)
  return workspace
}
