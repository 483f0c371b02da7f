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
  /** Next.js's `distDir`, absolute. */
  readonly distDirectory: string
  readonly nextVersion: string
  /** When it was complete on the server, and when its build began, in ms of the server's clock; null: unknown. */
  readonly created: number
  readonly built: number | null
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
    distDirectory: join(directory, distDirOf(info)),
    nextVersion: info.nextVersion,
    created: timeOf(info.created) ?? 0,
    built: timeOf(info.built ?? null),
    // The launcher may be newer than the release: what an older version did not write gets its default.
    runtime: parse(runtime, readFileSync(file, 'utf8'), file),
  }
}

function distDirOf({ distDir, staticPath, entry }: ReleaseInfo): string {
  return distDir ?? (typeof staticPath === 'string' ? dirname(staticPath) : join(dirname(entry), '.next'))
}

function timeOf(text: string | null): number | null {
  const time = Date.parse(text ?? '')
  return Number.isNaN(time) ? null : time
}
