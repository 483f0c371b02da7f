/** Splits text into lines at line feeds alone: file names may contain other line separators. */
import { malformed } from '../../protocol/guards.ts'

/** Far more than the longest path needs, in bytes. */
const LONGEST = 256 * 1024

export async function* readLines(source: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  let begun: Buffer = Buffer.alloc(0)
  for await (const chunk of source) {
    const bytes = begun.length === 0 ? chunk : Buffer.concat([begun, chunk])
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      if (end > from) yield bytes.toString('utf8', from, end)
      from = end + 1
    }
    begun = bytes.subarray(from)
    if (begun.length > LONGEST) throw malformed('a line of the manifest has no end')
  }
  if (begun.length > 0) yield begun.toString('utf8')
}
