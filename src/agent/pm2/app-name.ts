/** Whether the app's name in PM2 and the app's folder belong to this app alone. */
import { failure } from '../../common/errors/server.ts'
import { folderOf, isSameFolder, realPath } from './apps.ts'
import type { Layout } from '../store/layout.ts'
import type { Pm2Process } from './client.ts'
import { foreignCurrent } from '../store/releases.ts'

/**
 * Two apps of one name, such as staging and production of one repository on one server, would replace each
 * other. Replaces an app that was started in any other way, and one whose folder is gone or has been moved.
 * @throws Failure `app-name-taken`
 */
export function assertNameIsOurs(layout: Layout, processes: readonly Pm2Process[]): void {
  for (const process of processes) {
    const folder = folderOf(process)
    if (folder === null || isSameFolder(folder, layout.base) || realPath(folder) === null) continue
    throw failure('app-name-taken', { name: process.name, folder })
  }
}

/**
 * Two names on one folder would replace each other's release. A renamed app looks exactly the same, so it is
 * not replaced: the user must say that it was renamed.
 * @param all of PM2's processes
 * @throws Failure `path-taken`
 */
export async function assertFolderIsOurs(
  layout: Layout,
  appName: string,
  all: readonly Pm2Process[],
): Promise<void> {
  const others = all.filter(({ name }) => name !== appName)
  const other = others.find((process) => {
    const folder = folderOf(process)
    return folder !== null && isSameFolder(folder, layout.base)
  })
  if (other !== undefined) {
    throw failure('path-taken', { other: other.name, path: layout.base, app: appName })
  }
  if ((await foreignCurrent(layout)) === null) return
  const user = others.find((process) => runsThrough(layout.current, process))
  if (user === undefined) return
  throw failure('path-taken: not ours', { other: user.name, path: layout.current })
}

function runsThrough(link: string, { script, cwd }: Pm2Process): boolean {
  return [script, cwd].some((path) => path === link || path.startsWith(`${link}/`))
}
