/** A queued run that comes late must not silently replace the release of a later one. */
import { failure } from '../../common/errors/activation.ts'
import type { RunInfo } from '../../protocol/messages.ts'
import type { Layout } from '../store/layout.ts'
import { readInfo, verificationOf } from '../store/releases.ts'

/**
 * @param live the current release; null where there is none
 * @throws Failure `overtaken` when it came from a later run of the same repository and branch
 */
export async function assertNotOvertaken(layout: Layout, run: RunInfo, live: string | null): Promise<void> {
  if (live === null) return
  const info = await readInfo(layout, live).catch(() => null)
  const verification = await verificationOf(layout, live).catch(() => null)
  // Whoever went back to it, or deployed it by hand, did not mean to keep the next push out.
  if (info === null || verification?.kind === 'rollback' || !isLater(info, run)) return
  throw failure('overtaken', { run: named(run), newer: named(info, 'run'), release: live })
}

type Source = Pick<RunInfo, 'ref' | 'runUrl' | 'runNumber' | 'workflow'> & { readonly event: string | null }

/** Whether a release came from a later run than this one, where the two can be compared and nobody asked for either. */
function isLater(release: Source, run: RunInfo): boolean {
  const [theirs, ours] = [runIn(release.runUrl), runIn(run.runUrl)]
  const comparable = theirs.repository === ours.repository && release.ref === run.ref
  const asked = run.runAttempt > 1 || isManual(run) || isManual(release)
  return comparable && !asked && theirs.id > ours.id
}

/** GitHub's ids of runs grow within a repository, whatever becomes of its workflows. */
function runIn(url: string): { readonly repository: string; readonly id: number } {
  const [, repository = '', id = '0'] = /^(.+)\/actions\/runs\/(\d+)$/.exec(url) ?? []
  return { repository, id: Number(id) }
}

function isManual({ event }: Pick<Source, 'event'>): boolean {
  return event === 'workflow_dispatch' || event === 'repository_dispatch'
}

function named({ workflow, runNumber }: Source, word = 'Run'): string {
  return `${word} ${runNumber} of "${workflow}"`
}
