/** The server's programs as JavaScript, so that real Node processes can run what src/ says now. */
import { mkdirSync, readdirSync, readFileSync, realpathSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { transformSync } from '@swc/core'

const root = join(import.meta.dirname, '..', '..', 'src')
/** What runs on the server: it imports nothing else. */
const FOLDERS = ['common', 'protocol', 'worker', 'agent']

/** @param out a new temporary folder unless given @param folders of src/, with what they import @returns the folder, with `<folder>/<name>.js` for each source file, as CommonJS like the bundles */
export function compile(
  out = realpathSync(mkdtempSync(join(tmpdir(), 'gapless-compiled-'))),
  folders: readonly string[] = FOLDERS,
): string {
  for (const path of folders.flatMap(sources)) {
    const { code } = transformSync(readFileSync(join(root, path), 'utf8'), {
      filename: path,
      swcrc: false,
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'commonjs', ignoreDynamic: true },
    })
    const file = join(out, path.replace(/ts$/, 'js'))
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, code.replace(/(require\("\.[^"]*)\.ts"\)/g, '$1.js")'))
  }
  return out
}

function sources(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
}
