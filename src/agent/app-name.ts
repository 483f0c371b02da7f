/** Whether PM2's processes of the app's name are the app's: found out before anything live is touched. */
import { Failure } from '../protocol/failure.ts'
import { folderOf, isSameFolder, realPath } from './apps.ts'
import type { Layout } from './layout.ts'
import type { Pm2Process } from './pm2.ts'

/**
 * Two apps of one name, such as a staging and a production of one repository on one server, would take each other's
 * place. What is started in any other way is replaced: nobody else deploys it. So is what a folder left behind that
 * is gone or has another path by now.
 * @throws Failure `app-name-taken`
 */
export function assertNameIsOurs(layout: Layout, processes: readonly Pm2Process[]): void {
  for (const process of processes) {
    const folder = folderOf(process)
    if (folder === null || isSameFolder(folder, layout.base) || realPath(folder) === null) continue
    throw new Failure(
      'app-name-taken',
      `PM2 runs an app of this name from ${folder}, which Gapless deployed`,
      {
        remedy:
          'Give one of the two another `app-name`. If the other one is not wanted any more, `pm2 delete` it on the server.',
      },
    )
  }
}
