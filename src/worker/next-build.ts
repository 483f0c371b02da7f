/** What the Next.js build of a release says about itself, read from the release (14.2, 15.5, 16.4). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ReleaseInfo } from '../protocol/messages.ts'
import type { HeaderRule } from './configured-headers.ts'

export interface NextBuild {
  /** The folder behind `/_next/static`, absolute. */
  readonly staticFolder: string
  /** The id in the addresses of its pages' data, or null where it is unknown. */
  readonly buildId: string | null
  /** The id that its pages put behind the names of static files as `?dpl=`, or null without one. */
  readonly deploymentId: string | null
  /** The app's `headers()`. */
  readonly headers: readonly HeaderRule[]
}

/**
 * Reads the build of a release.
 *
 * @param release the release's folder
 * @returns null where the release does not say where its static files are
 */
export function readNextBuild(release: string): NextBuild | null {
  const info = readJson<ReleaseInfo>(join(release, '.gapless', 'release.json'))
  if (typeof info?.staticPath !== 'string') return null
  const staticFolder = join(release, info.staticPath)
  const buildId = readText(join(staticFolder, '..', 'BUILD_ID'))?.trim()
  const ofBuild = <T>(name: string) => readJson<T>(join(staticFolder, '..', name))
  const server = ofBuild<{ config?: { deploymentId?: string } }>('required-server-files.json')
  const routes = ofBuild<{ headers?: readonly HeaderRule[] }>('routes-manifest.json')
  return {
    staticFolder,
    // An empty id is none.
    buildId: buildId || null,
    deploymentId: server?.config?.deploymentId || null,
    headers: routes?.headers ?? [],
  }
}

function readJson<T>(file: string): T | null {
  try {
    return JSON.parse(readText(file) ?? '') as T
  } catch {
    return null
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
