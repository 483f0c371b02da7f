/** Whether the app's name in PM2 and the app's folder belong to each other, and to no other app. */
import { Failure } from '../../common/failure.ts'
import { folderOf, isSameFolder, realPath } from './apps.ts'
import type { Layout } from '../store/layout.ts'
import type { Pm2Process } from './client.ts'
import { foreignCurrent } from '../store/releases.ts'

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

/**
 * Two names on one folder would take each other's release, and each other's place at the door. An app that was renamed
 * looks exactly alike, so that nothing is taken over: whoever renamed it says so.
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
    throw new Failure(
      'path-taken',
      `PM2 runs the app "${other.name}" from "${layout.base}", and this run is for "${appName}".`,
      {
        remedy:
          `Give each app its own \`path\`. If "${other.name}" is this app under its former name, ` +
          `set \`app-name: ${other.name}\`.`,
      },
    )
  }
  if ((await foreignCurrent(layout)) === null) return
  const user = others.find((process) => runsThrough(layout.current, process))
  if (user === undefined) return
  throw new Failure(
    'path-taken',
    `PM2 runs the app "${user.name}" from "${layout.current}", which this run would replace.`,
    {
      remedy: `Set another \`path\`. If "${user.name}" is the app that is to be replaced, set \`app-name: ${user.name}\`.`,
    },
  )
}

function runsThrough(link: string, { script, cwd }: Pm2Process): boolean {
  return [script, cwd].some((path) => path === link || path.startsWith(`${link}/`))
}
