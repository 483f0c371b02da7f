/** Records with each release when it first served, and whether a rollback left it: see protocol/history.ts. */
import type { ActivationRequest, Verification } from '../../protocol/messages.ts'
import { previousOf } from '../../protocol/history.ts'
import { writeFileAtomic } from '../system/files.ts'
import { filesOf, type Layout } from './layout.ts'
import { releaseIds, verificationOf } from './releases.ts'

export interface Serving {
  readonly activation: string
  readonly kind: ActivationRequest['kind']
  /** The release that was current before; null where there was none. */
  readonly replaced: string | null
}

/** Records that a release served. When the release comes back, its place in the order stays. */
export async function markServing(
  layout: Layout,
  id: string,
  { activation, kind, replaced }: Serving,
): Promise<void> {
  const known = await verifications(layout)
  const write = (other: string, verification: Verification) =>
    writeFileAtomic(filesOf(layout, other).verified, JSON.stringify(verification), 0o644)
  for (const [other, verification] of known) {
    if (other === id) continue
    const leftBy = leaves(id, { activation, kind, replaced }, other, verification, known)
    if (leftBy !== verification.leftBy) await write(other, { ...verification, leftBy })
  }
  const own = known.get(id)
  if (kind === 'restore' && own !== undefined) return write(id, { ...own, leftBy: null })
  const activatedAt = kind === 'deploy' || own === undefined ? laterThan(known) : own.activatedAt
  return write(id, { activatedAt, activation, kind, leftBy: null })
}

/** @returns the activation that has left the other release, as of now */
function leaves(
  id: string,
  { activation, kind, replaced }: Serving,
  other: string,
  { activatedAt, leftBy }: Verification,
  known: ReadonlyMap<string, Verification>,
): string | null {
  const own = known.get(id)
  // Going forward to a later release undoes nothing.
  const isLater = own === undefined ? other > id : activatedAt > own.activatedAt
  switch (kind) {
    case 'deploy':
      return leftBy
    case 'rollback':
      return leftBy ?? (isLater ? activation : null)
    case 'restore': {
      if (other === replaced && isLater) return leftBy ?? activation
      // A rollback that was undone has left nothing.
      const undone = replaced === null ? undefined : known.get(replaced)
      return undone !== undefined && leftBy === undone.activation ? null : leftBy
    }
  }
}

/** Later than all others, whatever the clock says. */
function laterThan(known: ReadonlyMap<string, Verification>): string {
  const latest = Math.max(0, ...[...known.values()].map(({ activatedAt }) => Date.parse(activatedAt) || 0))
  return new Date(Math.max(Date.now(), latest + 1)).toISOString()
}

/** Returns the release to go back to from the current one, or null. @param except a release that does not count */
export async function previousRelease(
  layout: Layout,
  current: string | null,
  except: string | null = null,
): Promise<string | null> {
  const releases = [...(await verifications(layout))]
    .filter(([id]) => id !== except)
    .map(([id, { activatedAt, leftBy }]) => ({ id, activatedAt, left: leftBy !== null }))
  return previousOf(releases, current)
}

async function verifications(layout: Layout): Promise<ReadonlyMap<string, Verification>> {
  const found = new Map<string, Verification>()
  for (const id of await releaseIds(layout)) {
    const verification = await verificationOf(layout, id).catch(() => null)
    if (verification !== null) found.set(id, verification)
  }
  return found
}
