/** The releases on the disk, and the link to the current one. */
import { rm } from 'node:fs/promises'
import { markServing, previousRelease } from '../../store/history.ts'
import { assertLauncher, repairLauncher } from '../../store/launcher.ts'
import type { Layout } from '../../store/layout.ts'
import { carryStatic } from '../../store/old-static.ts'
import { activatedAt, liveRelease, pointCurrentAt, prepareLink } from '../../store/releases.ts'
import { readGoal } from '../goal.ts'
import type { Room } from '../job.ts'
import { assertNotOvertaken } from '../overtaken.ts'
import type { Releases } from '../world.ts'
import type { RunInfo } from '../../../protocol/messages.ts'

export function releasesOn(layout: Layout, run: RunInfo, room: Room): Releases {
  return {
    goal: (release) => readGoal(layout, release),
    current: () => liveRelease(layout),
    isVerified: async (release) => (await activatedAt(layout, release).catch(() => null)) !== null,
    previousRelease: (current, except) => previousRelease(layout, current, except),
    preparePoint: (release) => room(() => prepareLink(layout, release)),
    point: (release) => room(() => pointCurrentAt(layout, release)),
    unlink: () => rm(layout.current, { force: true }),
    markServing: (release, serving) => room(() => markServing(layout, release, serving)),
    // No reason to fail: without them, old pages miss something, but the release is whole.
    linkOldStatic: (release, served) =>
      carryStatic(layout, release, served).then(
        ({ files }) => `linked ${files} static files of other releases into ${release}`,
        (error: unknown) => `Could not link static files of other releases: ${(error as Error).message}`,
      ),
    assertLauncher: (release) => assertLauncher(layout, release),
    repairLauncher: (release) => room(() => repairLauncher(layout, release)),
    assertNotOvertaken: (current) => assertNotOvertaken(layout, run, current),
  }
}
