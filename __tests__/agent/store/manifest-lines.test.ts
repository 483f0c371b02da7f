import { describe, expect, test } from '@jest/globals'
import { readLines } from '../../../src/agent/store/manifest-lines.ts'
import { failureOf } from '../../support/failure.ts'

async function linesOf(chunks: readonly string[]): Promise<readonly string[]> {
  async function* source() {
    for (const chunk of chunks) yield Buffer.from(chunk, 'latin1')
  }
  const lines: string[] = []
  for await (const line of readLines(source())) lines.push(line)
  return lines
}

describe('lines', () => {
  test.each([
    ['in one piece', ['a\nb\n']],
    ['cut anywhere', ['', 'a', '\n', 'b', '\n']],
    ['without a last line feed', ['a\nb']],
    ['with empty ones, which do not count', ['\na\n\n\nb\n']],
  ])('%s', async (_, chunks) => {
    expect(await linesOf(chunks)).toEqual(['a', 'b'])
  })

  test('end at the line feed alone, and may be cut within a character', async () => {
    const text = 'a\rb\u2028c\u2029d é'
    const bytes = Buffer.from(`${text}\n`).toString('latin1')
    expect(await linesOf(Array.from(bytes))).toEqual([text])
  })

  test('without an end are refused before they fill the memory', async () => {
    expect(await failureOf(linesOf(Array<string>(20).fill('x'.repeat(20_000))))).toMatchObject({
      code: 'malformed-message',
    })
  })
})
