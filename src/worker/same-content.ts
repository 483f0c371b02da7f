import { closeSync, openSync, readSync, statSync } from 'node:fs'

const CHUNK = 65_536

/**
 * Whether two files hold the same bytes. Links to one file are not read.
 *
 * @throws where one of them cannot be read
 */
export function sameContent(a: string, b: string): boolean {
  const [left, right] = [statSync(a), statSync(b)]
  if (left.ino === right.ino && left.dev === right.dev) return true
  if (left.size !== right.size) return false
  const opened: number[] = []
  try {
    opened.push(openSync(a, 'r'), openSync(b, 'r'))
    const chunks = opened.map(() => Buffer.alloc(CHUNK))
    for (;;) {
      const [read, other] = opened.map((file, index) => readSync(file, chunks[index]!, 0, CHUNK, null))
      if (read !== other || !chunks[0]!.subarray(0, read).equals(chunks[1]!.subarray(0, read))) return false
      if (read === 0) return true
    }
  } finally {
    for (const file of opened) closeSync(file)
  }
}
