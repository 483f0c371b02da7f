/** Whether other users of the server can replace what runs as the app's user. */
import { lstatSync, type Stats, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { failure } from '../../common/errors/server.ts'
import type { Failure } from '../../common/failure.ts'
import type { Layout } from './layout.ts'

const OTHERS_MAY_WRITE = 0o002
const STICKY = 0o1000

/** @throws Failure `path-unsafe` when anybody except this user and root may change the folder */
export function assertTrusted(layout: Layout): void {
  const own = [layout.base, layout.own, layout.releases, layout.shared]
  for (const folder of own) assertNotForAll(folder, false)
  for (let folder = layout.base; folder !== dirname(folder);) {
    folder = dirname(folder)
    // In a sticky folder, such as /tmp, nobody can replace what belongs to others.
    assertNotForAll(folder, true)
  }
  // The owner of the folder could replace the link `current`, and with it the app.
  for (const path of [...own, layout.current]) assertOwned(path)
}

function assertNotForAll(folder: string, stickyIsFine: boolean): void {
  const mode = statSync(folder, { throwIfNoEntry: false })?.mode ?? 0
  if ((mode & OTHERS_MAY_WRITE) === 0 || (stickyIsFine && mode & STICKY)) return
  throw unsafe(folder, 'every user of the server may write in it', `chmod o-w '${folder}'`)
}

/**
 * Checks the way to a path in `shared`. Parts that do not exist yet are fine.
 * @throws Failure `path-unsafe` when another user made a part of it, such as a link that leads elsewhere, or could
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
