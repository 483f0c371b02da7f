/** Whether PM2's processes of the app's name are the app's: found out before anything live is touched. */
import { realpathSync } from 'node:fs'
import { Failure } from '../protocol/failure.ts'
import { LAUNCHER } from '../protocol/manifest.ts'
import type { Layout } from './layout.ts'
import type { Pm2Process } from './pm2.ts'

/** What PM2 starts of every app that Gapless deployed, below the app's folder. */
const PROGRAM = `/current/${LAUNCHER}`

/**
 * Two apps of one name, such as a staging and a production of one repository on one server, would take each other's
 * place. What is started in any other way is replaced: nobody else deploys it. So is what a folder left behind that
 * is gone or has another path by now.
 * @throws Failure `app-name-taken`
 */
export function assertNameIsOurs(layout: Layout, processes: readonly Pm2Process[]): void {
  for (const { script } of processes) {
    const folder = script.endsWith(PROGRAM) ? script.slice(0, -PROGRAM.length) : null
    if (folder === null || folder === layout.base) continue
    const real = realPath(folder)
    if (real === null || real === (realPath(layout.base) ?? layout.base)) continue
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

function realPath(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}
