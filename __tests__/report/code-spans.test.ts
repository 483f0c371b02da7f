import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { prose } from '../../src/report/markdown.ts'

const root = join(import.meta.dirname, '..', '..', 'src')

/** What the texts of a file have in backticks, each value in it as `${…}`. */
function spansIn(code: string): readonly string[] {
  const joined = code
    .replace(/\/\*\*?[^]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/['`] \+\s*['`]/g, '')
  const inTemplates = [...joined.matchAll(/\\`((?:[^`\\]|\\[^`])+)\\`/g)].map(([, span]) => span!)
  const inStrings = [...joined.matchAll(/'((?:[^'\\\n]|\\.)*)'/g)].flatMap(([, text]) =>
    [...text!.matchAll(/`([^`]+)`/g)].map(([, span]) => span!),
  )
  return [...inTemplates, ...inStrings].map((span) => span.replace(/\\$/, ''))
}

const isCode = (markdown: string) => /^(?:`[^`]+`|<code>[^<>`]+<\/code>)$/.test(markdown)

describe('a message', () => {
  test('has its names and commands as code', () => {
    expect(prose('Check `env`, set `app-port: 3001`, and run `pm2 list`.')).toBe(
      'Check `env`, set `app-port: 3001`, and run `pm2 list`.',
    )
  })

  test('has them as HTML where Markdown would show entities, or end a cell', () => {
    expect(prose('Run `curl -fsSL https://x | bash` or `ssh-keyscan <host>`')).toBe(
      'Run <code>curl -fsSL https://x &#124; bash</code> or <code>ssh-keyscan &#60;host&#62;</code>',
    )
  })

  test('has no other code: a value that holds backticks stays text', () => {
    expect(prose('The script `x` of "`evil`" and `env')).toBe(
      'The script &#96;x&#96; of "&#96;evil&#96;" and &#96;env',
    )
    expect(prose('`app-name: x` **b**`')).toBe('`app-name: x` &#42;&#42;b&#42;&#42;&#96;')
  })

  test('is a text without structure, whatever stands beside the code', () => {
    const special = /[<*[\]\\~|$]|&(?!#\d+;)/
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (before, after) => {
        const markdown = prose(`${before}\`path\`${after}`)
        expect(markdown.replaceAll('`path`', '')).not.toMatch(special)
        expect(markdown.replaceAll('`path`', '')).not.toContain('`')
      }),
    )
  })
})

/** Values that are not names of ours: they are shown in quotes, or as they are. */
const values =
  /^(?:\$\{(?:command|dependency|names\[0\]|name|start\.command|escape\((?:code|text)\))\}|[#$\\].*|\.\/\$\{file\}|\]\).*)$/

test('every name and command that our texts put in backticks is shown as code', () => {
  const texts = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.startsWith('report/code-spans'))
    .map((path) => readFileSync(join(root, path), 'utf8'))
  const spans = [...new Set(texts.flatMap(spansIn))].filter((span) => !values.test(span))
  expect(spans.length).toBeGreaterThan(60)
  const shown = (span: string) =>
    prose(`\`${span.replaceAll(/\$\{[^}]+\}/g, 'npm').replaceAll(/\\(['"`])/g, '$1')}\``)
  expect(spans.filter((span) => !isCode(shown(span)))).toEqual([])
})
