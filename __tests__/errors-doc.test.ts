/** Every error has its words in the registry (src/common/errors/), and docs/errors.md is made of it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { registry } from '../src/common/errors/index.ts'
import { codeOf } from '../src/common/errors/text.ts'
import { temporaryFolders } from './support/folder.ts'

const root = join(import.meta.dirname, '..')
const folder = temporaryFolders()
const entries = registry.flatMap(({ texts }) => Object.entries(texts))
const codes = new Set(entries.map(([key]) => codeOf(key)))

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('common/errors/'))
  .map((file) => ({ file, text: readFileSync(join(root, 'src', file), 'utf8') }))
const everything = sources.map(({ text }) => text).join('\n')

describe('the registry', () => {
  test('has the words of every failure', () => {
    const others = sources.filter(({ text }) => /\bnew Failure\(/.test(text)).map(({ file }) => file)
    expect(others).toEqual(['common/failure.ts'])
  })

  test('has no code that nothing raises', () => {
    const made = new Set(['build-failed', 'install-failed', 'internal', 'agent-failed'])
    const unused = [...codes].filter(
      (code) => !made.has(code) && !everything.includes(`'${code}'`) && !everything.includes(`'${code}: `),
    )
    expect(unused).toEqual([])
  })

  test('has the codes in kebab-case', () => {
    for (const code of codes) expect(code).toMatch(/^[a-z]+\d?(-[a-z]+)*$/)
  })
})

describe.each(entries)('%s', (_, { message, remedy, cause }) => {
  test('says what failed in one sentence, and what to do first', () => {
    for (const text of [message, remedy]) {
      expect(text).toMatch(/^([A-Z`"]|\{\w+\})/)
      expect(text).toMatch(/(\.|^\{remedy\})$/)
      expect(text).not.toMatch(/\d ms\b|by itself|anew|cut off|Nothing (live )?was touched/)
    }
    expect(message).not.toMatch(/\. [A-Z]/)
    if (cause !== undefined) expect(cause).toMatch(/^[A-Z`[].*\.$/)
  })
})

describe('docs/errors.md', () => {
  const page = join(root, 'docs', 'errors.md')
  const text = readFileSync(page, 'utf8')
  const script = join(root, 'scripts', 'errors-doc.mjs')

  test('is what the registry says', () => {
    execFileSync(process.execPath, [script, '--check'])
  })

  test('is found out of date, and written again', () => {
    const copy = join(folder(), 'errors.md')
    writeFileSync(copy, text.replace('Deploy to a Linux server.', 'Do something else.'))
    const check = spawnSync(process.execPath, [script, '--check', copy], { encoding: 'utf8' })
    expect(check).toMatchObject({ status: 1, stderr: expect.stringContaining('out of date') })
    execFileSync(process.execPath, [script, copy])
    expect(readFileSync(copy, 'utf8')).toBe(text)
  })

  test('has one row for every code, which the summary links to', () => {
    const rows = [
      ...text.matchAll(/^\| <a id="([^"]+)"><\/a>`\1` \| (?:[^|\\]|\\.)+ \| (?:[^|\\]|\\.)+ \|$/gm),
    ].map(([, code]) => code!)
    expect(rows.toSorted()).toEqual([...codes].toSorted())
  })

  test.each([
    'Failed to find Server Action',
    'ChunkLoadError',
    '502 Bad Gateway',
    'pm2: command not found',
    'EADDRINUSE',
    "Error: Could not find a production build in the '.next' directory",
  ])('answers whoever searches for "%s"', (words) => {
    const section = text.split(/^### /m).find((each) => each.split('\n', 1)[0]!.includes(words))
    expect(section).toMatch(/\n- .+\n/)
  })
})
