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
/** @typedef {ErrorText & { name: string }} Variant */
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
 * The hint at the command that shows what else is missing leads to its section.
 * @param {string} remedy
 */
function linked(remedy) {
  return escape(remedy).replace('`command: check`', '[`command: check`](getting-started.md#check-a-server)')
}

/**
 * Moves the variants of a code to the chapter that has the code first.
 * @param {readonly Chapter[]} chapters
 */
function byCode(chapters) {
  /** @type {Map<string, Variant[]>} */
  const known = new Map()
  return chapters.map(({ title, texts }) => {
    /** @type {[string, Variant[]][]} */
    const codes = []
    for (const [key, text] of Object.entries(texts)) {
      const [code = '', name = ''] = key.split(': ')
      const variants = known.get(code) ?? []
      if (variants.length === 0) codes.push([code, variants])
      known.set(code, variants)
      variants.push({ name, ...text })
    }
    return { title, codes }
  })
}

/** @param {readonly [string, readonly Variant[]][]} codes */
function codesTable(codes) {
  const rows = codes.map(([code, variants]) => [`<a id="${code}"></a>\`${code}\``, ...cellsOf(variants)])
  return table(['Code', 'What it says', 'What to do'], rows)
}

/**
 * A message with several remedies is said once, and so is a remedy of several messages.
 * @param {readonly Variant[]} variants
 * @returns {readonly [string, string]}
 */
function cellsOf(variants) {
  /** @type {Map<string, string[]>} */
  const remedies = new Map()
  for (const { name, message, remedy } of variants) {
    const known = remedies.get(message)
    if (known === undefined) remedies.set(message, [linked(remedy)])
    else known.push(`_${name}:_ ${linked(remedy)}`)
  }
  /** @type {Map<string, string[]>} */
  const messages = new Map()
  for (const [message, known] of remedies) {
    const remedy = known.join('<br>')
    messages.set(remedy, [...(messages.get(remedy) ?? []), escape(message)])
  }
  const numbered = (/** @type {string} */ text, /** @type {number} */ index) =>
    messages.size > 1 ? `${index + 1}. ${text}` : text
  const causes = variants.flatMap(({ cause }) => (cause === undefined ? [] : [`_${cause}_`]))
  const says = [...messages.values()].map((each) => each.join(' / ')).map(numbered)
  return [[...says, ...causes].join('<br>'), [...messages.keys()].map(numbered).join('<br>')]
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
