/** Where things stand on the server. The one place that knows the names. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { LAUNCHER } from '../protocol/manifest.ts'

export interface Layout {
  /** The app's folder, absolute. */
  readonly base: string
  readonly current: string
  readonly releases: string
  readonly shared: string
  /** The tool's own folder. */
  readonly own: string
  readonly incoming: string
  readonly workers: string
  readonly activations: string
  readonly lock: string
  readonly journal: string
}

export function layoutOf(base: string): Layout {
  const own = join(base, '.gapless')
  return {
    base,
    current: join(base, 'current'),
    releases: join(base, 'releases'),
    shared: join(base, 'shared'),
    own,
    incoming: join(own, 'incoming'),
    workers: join(own, 'workers'),
    activations: join(own, 'activations'),
    lock: join(own, 'lock'),
    journal: join(own, 'journal.jsonl'),
  }
}

export function releaseDirectory(layout: Layout, id: string): string {
  return join(layout.releases, id)
}

/** The tool's files inside a release. */
export function releaseFiles(directory: string) {
  const own = join(directory, '.gapless')
  return {
    own,
    info: join(own, 'release.json'),
    runtime: join(own, 'runtime.json'),
    manifest: join(own, 'manifest.jsonl'),
    verified: join(own, 'verified.json'),
    reported: join(own, 'reported.json'),
    launcher: join(directory, LAUNCHER),
  }
}

/** Makes the folders that a deploy needs. `.gapless` holds secrets and is the user's alone. */
export function makeFolders(layout: Layout): void {
  mkdirSync(layout.base, { recursive: true, mode: 0o755 })
  mkdirSync(layout.releases, { recursive: true, mode: 0o755 })
  for (const folder of [layout.own, layout.incoming, layout.workers, layout.activations, layout.lock]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }
}
