/** A release's manifest on disk, one entry a line. */
import { createReadStream } from 'node:fs'
import { failure } from '../../common/errors/protocol.ts'
import { isLinkLine, type ManifestEntry, parseStored } from '../../protocol/manifest.ts'
import { readLines } from './manifest-lines.ts'

/**
 * @param wants whether the entry of a line is of use; links always are
 * @throws Failure `malformed-message`, or `unsafe-path`, also for an entry below a link, which would be elsewhere
 */
export async function* readManifest(
  file: string,
  wants: (line: string) => boolean = () => true,
): AsyncGenerator<ManifestEntry, void, undefined> {
  const input = createReadStream(file)
  const links = new Set<string>()
  try {
    for await (const line of readLines(input as AsyncIterable<Buffer>)) {
      if (!isLinkLine(line) && !wants(line)) continue
      const entry = parseStored(line)
      assertNotBelow(links, entry.path)
      if (entry.kind === 'link') links.add(entry.path)
      yield entry
    }
  } finally {
    input.destroy()
  }
}

function assertNotBelow(links: ReadonlySet<string>, path: string): void {
  for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
    if (!links.has(path.slice(0, end))) continue
    throw failure('unsafe-path: below link', { path })
  }
}
