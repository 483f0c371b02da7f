/**
 * Whether the app's folder is safe from other users of the server: what they could replace, they could run as the
 * user that the app runs as.
 */
import { lstatSync, type Stats, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { failure } from '../../common/errors/server.ts'
import type { Failure } from '../../common/failure.ts'
import type { Layout } from './layout.ts'

const OTHERS_MAY_WRITE = 0o002
const STICKY = 0o1000

/** @throws Failure `path-unsafe` when somebody else than this user and root has a hand in the folder */
export function assertTrusted(layout: Layout): void {
  const own = [layout.base, layout.own, layout.releases, layout.shared]
  for (const folder of own) assertNotForAll(folder, false)
  for (let folder = layout.base; folder !== dirname(folder);) {
    folder = dirname(folder)
    // In a sticky one, such as /tmp, nobody replaces what belongs to others.
    assertNotForAll(folder, true)
  }
  // Whoever owns the folder can put another link in the place of `current`, and with it another app.
  for (const path of [...own, layout.current]) assertOwned(path)
}

function assertNotForAll(folder: string, stickyIsFine: boolean): void {
  const mode = statSync(folder, { throwIfNoEntry: false })?.mode ?? 0
  if ((mode & OTHERS_MAY_WRITE) === 0 || (stickyIsFine && mode & STICKY)) return
  throw unsafe(folder, 'every user of the server may write in it', `chmod o-w '${folder}'`)
}

/**
 * The way to a path in `shared`: parts that are not there yet are fine.
 * @throws Failure `path-unsafe` when a part of it was made by another user, such as a link that leads elsewhere, or
 *   could be: the shared folder itself may be for all to write in
 */
export function assertOwnWay(shared: string, path: string): void {
  let way = shared
  assertOwned(way)
  for (const part of path.split('/')) {
    assertNotForAll(way, false)
    way = join(way, part)
    assertOwned(way)
  }
}

function assertOwned(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined || isOurs(stat)) return
  const { username } = userInfo()
  const what = stat.isSymbolicLink() ? 'is a link made by' : 'belongs to'
  throw unsafe(path, `it ${what} user ${stat.uid}, not ${username}`, `ls -ld '${path}'`)
}

/** Root can do everything anyhow, and may have put a link to another disk there. */
function isOurs({ uid }: Stats): boolean {
  return uid === 0 || uid === userInfo().uid
}

function unsafe(path: string, why: string, command: string): Failure {
  return failure('path-unsafe', { path, reason: why, command })
}
