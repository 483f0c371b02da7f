import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { prose } from '../../src/report/markdown.ts'

describe('a message', () => {
  test('has what stands between backticks as code', () => {
    expect(prose('`env`: check it, set `app-port: 3001`, and run `pm2 list`.')).toBe(
      '`env`: check it, set `app-port: 3001`, and run `pm2 list`.',
    )
  })

  test('has it as HTML where Markdown would show entities, or end a cell', () => {
    expect(prose('Run `curl -fsSL https://x | bash` or `ssh-keyscan <host>`')).toBe(
      'Run <code>curl -fsSL https://x &#124; bash</code> or <code>ssh-keyscan &#60;host&#62;</code>',
    )
  })

  test.each([
    ['a link', '`<[x](https://evil.example)`', '<code>&#60;&#91;x&#93;(https://evil.example)</code>'],
    ['an element', '`</code><b>`', '<code>&#60;/code&#62;&#60;b&#62;</code>'],
    ['a backslash', '`a\\`', '<code>a&#92;</code>'],
  ])('has %s in code as text', (_, text, markdown) => {
    expect(prose(text)).toBe(markdown)
  })

  test.each([
    ['one backtick', 'a `b', 'a &#96;b'],
    ['no content', 'a `` b', 'a &#96;&#96; b'],
    ['spans side by side', '`a``b`', '&#96;a&#96;&#96;b&#96;'],
    ['a fence', '```a```', '&#96;&#96;&#96;a&#96;&#96;&#96;'],
  ])('has no code of %s', (_, text, markdown) => {
    expect(prose(text)).toBe(markdown)
  })

  test('is a text without structure, aside from code', () => {
    const code = /`[^`&<>|$*"\\\n]+`|<code>[^<>`|*[\]\\~$"\n]+<\/code>/g
    const special = /[<*[\]\\~|$`]|&(?!#\d+;)/
    const piece = fc.oneof(fc.constantFrom('`', '<', '[x](y)', '|', '\\', '\n', '$', '**'), fc.string())
    fc.assert(
      fc.property(fc.array(piece), (parts) => {
        expect(prose(parts.join('')).replaceAll(code, '')).not.toMatch(special)
      }),
      { numRuns: 1000 },
    )
  })
})
