import { describe, expect, test } from '@jest/globals'
import { visible } from '../../src/report/text.ts'

describe('text that is shown', () => {
  test.each([
    ['colours', '\u001B[31mred\u001B[0m', 'red'],
    ['what moves the cursor', 'a\u001B[2Jb\u001B[1A', 'ab'],
    ['line ends of Windows and of old', 'a\r\nb\rc', 'a\nb\nc'],
    ['control characters', 'a\u0000b\u0008c\u0085d\u007F', 'a\uFFFDb\uFFFDc\uFFFDd\uFFFD'],
    ['what turns the direction of writing', 'a\u202Eb\u2066c', 'a\uFFFDb\uFFFDc'],
    ['tabs and line breaks, which stay', 'a\tb\nc', 'a\tb\nc'],
    ['every other letter, which stays', 'äé漢😀', 'äé漢😀'],
  ])('has no %s', (_, text, shown) => {
    expect(visible(text)).toBe(shown)
  })
})
