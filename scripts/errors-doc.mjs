/**
 * Writes the tables of docs/errors.md, between the markers `<!-- errors:start -->` and `<!-- errors:end -->`, from the
 * registry in src/common/errors/.
 *
 * Usage: node scripts/errors-doc.mjs [--check] [path of the page]
 *
 * With `--check` nothing is written; the exit code is 1 when the page is out of date.
 */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { transformSync } from '@swc/core'
import { replaceBetween, table } from './tables.mjs'

/** @typedef {{ message: string, remedy: string, cause?: string }} ErrorText */
/** @typedef {{ title: string, texts: Record<string, ErrorText> }} Chapter */

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** @returns {Promise<readonly Chapter[]>} */
async function readRegistry() {
  const source = join(root, 'src', 'common')
  const compiled = mkdtempSync(join(tmpdir(), 'gapless-errors-'))
  try {
    // Node.js 20 does not run TypeScript.
    writeFileSync(join(compiled, 'package.json'), '{ "type": "module" }')
    mkdirSync(join(compiled, 'errors'))
    const names = readdirSync(join(source, 'errors')).map((name) => join('errors', name))
    for (const name of ['failure.ts', ...names]) {
      const { code } = transformSync(readFileSync(join(source, name), 'utf8'), {
        swcrc: false,
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      })
      writeFileSync(
        join(compiled, name.replace(/ts$/, 'js')),
        code.replace(/(from '[^']*)\.ts'/g, "$1.js'").replace(/(from "[^"]*)\.ts"/g, '$1.js"'),
      )
    }
    return (await import(pathToFileURL(join(compiled, 'errors', 'index.js')).href)).registry
  } finally {
    rmSync(compiled, { recursive: true, force: true })
  }
}

/**
 * Moves the variants of a code to the chapter that has the code first.
 * @param {readonly Chapter[]} chapters
 */
function byCode(chapters) {
  /** @type {Map<string, ErrorText[]>} */
  const all = new Map()
  return chapters.map(({ title, texts }) => {
    /** @type {[string, ErrorText[]][]} */
    const codes = []
    for (const [key, text] of Object.entries(texts)) {
      const [code = ''] = key.split(': ', 1)
      const known = all.get(code)
      if (known !== undefined) known.push(text)
      else {
        const own = [text]
        all.set(code, own)
        codes.push([code, own])
      }
    }
    return { title, codes }
  })
}

/** @param {readonly [string, readonly ErrorText[]][]} codes */
function codesTable(codes) {
  const rows = codes.map(([code, texts]) => {
    /** What has the same remedy is said together. @type {Map<string, string[]>} */
    const remedies = new Map()
    for (const { message, remedy } of texts)
      remedies.set(remedy, [...(remedies.get(remedy) ?? []), escape(message)])
    const numbered = remedies.size > 1
    const cells = [...remedies].map(([remedy, messages], index) => {
      const number = numbered ? `${index + 1}. ` : ''
      return [number + messages.join(' / '), number + escape(remedy)]
    })
    const causes = texts.flatMap(({ cause }) => (cause === undefined ? [] : [`_${cause}_`]))
    return [
      `<a id="${code}"></a>\`${code}\``,
      [...cells.map(([says]) => says), ...causes].join('<br>'),
      cells.map(([, remedy]) => remedy).join('<br>'),
    ]
  })
  return table(['Code', 'What it says', 'What to do'], rows)
}

/**
 * Outside of code GitHub would take `<path>` for an element and `_` for emphasis.
 * @param {string} text
 */
function escape(text) {
  return text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replace(/[<_*]/g, '\\$&')))
    .join('')
    .replaceAll('|', '\\|')
}

const { values, positionals } = parseArgs({ options: { check: { type: 'boolean' } }, allowPositionals: true })
const page = positionals[0] ?? join(root, 'docs', 'errors.md')
const registry = await readRegistry()
const before = readFileSync(page, 'utf8')
const chapters = byCode(registry).map(({ title, codes }) => `### ${title}\n\n${codesTable(codes)}`)
const after = replaceBetween(before, 'errors', chapters.join('\n\n'))

if (after !== before && values.check) {
  console.error(`${page} is out of date with src/common/errors/: run node scripts/errors-doc.mjs`)
  process.exitCode = 1
} else if (after !== before) {
  writeFileSync(page, after)
}
