/** What the launcher knows of the release that it lives in. It reads; it never writes into the release. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse } from '../protocol/guards.ts'
import { type ReleaseInfo, type Runtime, runtime } from '../protocol/messages.ts'

export interface Release {
  readonly id: string
  /** The release's real folder, never through `current`. */
  readonly directory: string
  /** The app's folder on the server, which holds `releases` and `.gapless`. */
  readonly appDirectory: string
  readonly entry: string
  /** Next.js's static files, relative to the release; null where a release does not tell. */
  readonly staticPath: string | null
  readonly runtime: Runtime
}

/** @param launcherDirectory the real folder of the launcher: `<path>/releases/<id>/.gapless` */
export function readRelease(launcherDirectory: string): Release {
  const directory = dirname(launcherDirectory)
  const appDirectory = dirname(dirname(directory))
  const info = JSON.parse(readFileSync(join(launcherDirectory, 'release.json'), 'utf8')) as ReleaseInfo
  const file = join(launcherDirectory, 'runtime.json')
  return {
    id: info.id,
    directory,
    appDirectory,
    entry: join(directory, info.entry),
    staticPath: info.staticPath ?? null,
    // The launcher may be newer than the release: what an older version did not write gets its default.
    runtime: parse(runtime, readFileSync(file, 'utf8'), file),
  }
}
