/**
 * Writes the tables of inputs and outputs in README.md from action.yml, between the markers
 * `<!-- inputs:start -->` and `<!-- inputs:end -->` (and likewise for `outputs`).
 *
 * Usage: node scripts/readme-tables.mjs [--check] [path of the README]
 *
 * With `--check` nothing is written; the exit code is 1 when the README is out of date.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { replaceBetween, table } from './tables.mjs'

/** @typedef {{ description: string, default?: string, required?: boolean }} Input */
/** @typedef {{ description: string }} Output */

/**
 * @param {string} text
 * @returns {string} the text as it stands in a cell
 */
const cell = (text) => text.trim().replace(/\s+/g, ' ').replaceAll('|', '\\|')

/** @param {Record<string, Input>} inputs */
const inputsTable = (inputs) =>
  table(
    ['Input', 'Default', 'Meaning'],
    Object.entries(inputs).map(([name, input]) => [
      `\`${name}\``,
      input.required ? '(required)' : input.default === undefined ? '' : `\`${input.default}\``,
      cell(input.description),
    ]),
  )

/** @param {Record<string, Output>} outputs */
const outputsTable = (outputs) =>
  table(
    ['Output', 'Meaning'],
    Object.entries(outputs).map(([name, output]) => [`\`${name}\``, cell(output.description)]),
  )

/** @param {string} relative to the repository's root */
const inRepository = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url))

const { values, positionals } = parseArgs({ options: { check: { type: 'boolean' } }, allowPositionals: true })
const readme = positionals[0] ?? inRepository('README.md')
const action = parse(readFileSync(inRepository('action.yml'), 'utf8'))

const before = readFileSync(readme, 'utf8')
const after = replaceBetween(
  replaceBetween(before, 'inputs', inputsTable(action.inputs)),
  'outputs',
  outputsTable(action.outputs),
)

if (after !== before && values.check) {
  console.error(`${readme} is out of date with action.yml: run node scripts/readme-tables.mjs`)
  process.exitCode = 1
} else if (after !== before) {
  writeFileSync(readme, after)
}
