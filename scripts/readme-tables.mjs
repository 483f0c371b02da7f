/**
 * Writes the tables of inputs and outputs into README.md and docs/inputs.md from action.yml, between markers such as
 * `<!-- inputs:start -->` and `<!-- inputs:end -->`. A comment before an input of action.yml begins a group.
 *
 * Usage: node scripts/readme-tables.mjs [--check] [folder with README.md and docs/inputs.md]
 *
 * With `--check` nothing is written; the exit code is 1 when a page is out of date.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parseDocument } from 'yaml'

/** @typedef {{ description: string, default?: string, required?: boolean }} Input */
/** @typedef {{ name: string, inputs: [string, Input][] }} Group */

/** The inputs of the README's table, by group. */
const common = {
  Server: ['host', 'username', 'key', 'known-hosts'],
  App: ['app-name', 'app-port', 'instances', 'env', 'shared-dirs'],
  Deploy: ['command', 'working-directory', 'pre-activate'],
  'Health check': ['health-check-path', 'health-check-url'],
}

const root = fileURLToPath(new URL('..', import.meta.url))
const document = parseDocument(readFileSync(join(root, 'action.yml'), 'utf8'))
const action = document.toJS()

/**
 * @param {string} text
 * @returns {string} the text as it stands in a cell
 */
const cell = (text) => text.trim().replace(/\s+/g, ' ').replaceAll('|', '\\|')

/**
 * @param {readonly string[]} header
 * @param {readonly (readonly string[])[]} rows
 * @returns {string}
 */
function table(header, rows) {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/**
 * A default that only the code knows is the last sentence of the description.
 *
 * @param {string} name
 * @param {Input} input
 * @returns {readonly [string, string, string]} the cells of an input: name, default, meaning
 */
function cellsOf(name, input) {
  const [, meaning = '', computed = ''] =
    /^(.*?)(?: Default: ([^]*)\.)?$/s.exec(cell(input.description)) ?? []
  const stated = input.default === undefined ? computed : `\`${input.default}\``
  return [`\`${name}\``, input.required ? '(required)' : stated, meaning]
}

/** @returns {readonly Group[]} the inputs in the order of action.yml */
function groupsOf() {
  const inputs = document.get('inputs', true)
  /** @type {Group[]} */
  const groups = []
  for (const [index, { key }] of inputs.items.entries()) {
    // The parser attaches the very first comment to the map.
    const comment = (index === 0 ? inputs.commentBefore : undefined) ?? key.commentBefore
    if (comment !== undefined) groups.push({ name: comment.trim(), inputs: [] })
    const group = groups.at(-1)
    if (group === undefined)
      throw new Error('action.yml: the first input has no comment that names its group.')
    group.inputs.push([key.value, action.inputs[key.value]])
  }
  return groups
}

const allInputs = () =>
  groupsOf()
    .map(({ name, inputs }) => {
      const rows = inputs.map(([input, described]) => cellsOf(input, described))
      return `## ${name}\n\n${table(['Input', 'Default', 'Meaning'], rows)}`
    })
    .join('\n\n')

const commonInputs = () =>
  table(
    ['', 'Input', 'Default', 'Meaning'],
    Object.entries(common).flatMap(([group, names]) =>
      names.map((name, index) => [index === 0 ? `**${group}**` : '', ...cellsOf(name, action.inputs[name])]),
    ),
  )

const outputs = () =>
  table(
    ['Output', 'Meaning'],
    Object.entries(action.outputs).map(([name, output]) => [`\`${name}\``, cell(output.description)]),
  )

/**
 * @param {string} text
 * @param {string} name of the markers
 * @param {string} content which prettier leaves alone: padded columns would make every change touch every row
 */
function replaceBetween(text, name, content) {
  const start = `<!-- ${name}:start -->`
  const end = `<!-- ${name}:end -->`
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`The markers ${start} and ${end} are missing or out of order.`)
  const ignored = `<!-- prettier-ignore-start -->\n\n${content}\n\n<!-- prettier-ignore-end -->`
  return `${text.slice(0, from + start.length)}\n${ignored}\n${text.slice(to)}`
}

/** @type {Readonly<Record<string, Readonly<Record<string, () => string>>>>} */
const pages = {
  'README.md': { 'common-inputs': commonInputs },
  'docs/inputs.md': { inputs: allInputs, outputs },
}

const { values, positionals } = parseArgs({ options: { check: { type: 'boolean' } }, allowPositionals: true })
for (const [page, tables] of Object.entries(pages)) {
  const file = join(positionals[0] ?? root, page)
  const before = readFileSync(file, 'utf8')
  const after = Object.entries(tables).reduce(
    (text, [name, make]) => replaceBetween(text, name, make()),
    before,
  )
  if (after !== before && values.check) {
    console.error(`${page} is out of date with action.yml: run npm run tables`)
    process.exitCode = 1
  } else if (after !== before) {
    writeFileSync(file, after)
  }
}
