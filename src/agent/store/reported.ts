/** Reports once what an app has written into a release that no longer serves. */
import type { WrittenInRelease } from '../../protocol/messages.ts'
import { readIfThere, writeFileAtomic } from '../system/files.ts'
import { filesOf, type Layout } from './layout.ts'
import { verificationOf } from './releases.ts'
import { writtenFiles } from './written.ts'

const MOST_PATHS = 20

interface Report {
  readonly written: readonly WrittenInRelease[]
  /** Reported by this call and, once marked, by no later one. */
  readonly fresh: ReadonlySet<string>
}

/**
 * Searches releases that have served and were not searched since.
 * @param live the release that serves instead; null: none, and nothing is reported
 */
export async function reportWritten(
  layout: Layout,
  live: string | null,
  ids: readonly string[],
): Promise<Report> {
  const written: WrittenInRelease[] = []
  const fresh = new Set<string>()
  for (const id of ids) {
    if (live === null || id === live) continue
    const served = await verificationOf(layout, id).catch(() => null)
    const { reported } = filesOf(layout, id)
    if (served === null) continue
    // A release that serves again is searched again.
    const mark = JSON.stringify({ activation: served.activation })
    if ((await readIfThere(reported)) === mark) continue
    // A release with damaged metadata reports nothing.
    const paths = await writtenFiles(layout, id, live).catch(() => [])
    // On a full disk the release is reported again later; that must not keep it on the disk.
    const marked = await writeFileAtomic(reported, mark, 0o644).then(
      () => true,
      () => false,
    )
    if (paths.length === 0) continue
    written.push({ release: id, paths: paths.slice(0, MOST_PATHS), count: paths.length })
    if (marked) fresh.add(id)
  }
  return { written, fresh }
}
