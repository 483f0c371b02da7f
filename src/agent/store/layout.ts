/** Where everything is on the server. No other file knows the names. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { LAUNCHER } from '../../protocol/manifest.ts'

export interface Layout {
  /** The app's folder, absolute. */
  readonly base: string
  readonly current: string
  readonly releases: string
  readonly shared: string
  readonly own: string
  readonly incoming: string
  readonly workers: string
  /** Which process each candidate is, while it runs. */
  readonly candidates: string
  readonly activations: string
  readonly lock: string
  readonly journal: string
  /** What the first deploy replaces: see activation/replaced.ts. */
  readonly replaced: string
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
    candidates: join(own, 'candidates'),
    activations: join(own, 'activations'),
    lock: join(own, 'lock'),
    journal: join(own, 'journal.jsonl'),
    replaced: join(own, 'replaced.json'),
  }
}

export function releaseDirectory(layout: Layout, id: string): string {
  return join(layout.releases, id)
}

export function releaseFiles(directory: string) {
  const own = join(directory, '.gapless')
  return {
    own,
    info: join(own, 'release.json'),
    runtime: join(own, 'runtime.json'),
    manifest: join(own, 'manifest.jsonl'),
    verified: join(own, 'verified.json'),
    reported: join(own, 'reported.json'),
    staged: join(own, 'staged.json'),
    /** While the release is tested: see caches.ts. */
    caches: join(own, 'caches'),
    launcher: join(directory, LAUNCHER),
  }
}

export function filesOf(layout: Layout, id: string) {
  return releaseFiles(releaseDirectory(layout, id))
}

/** Creates the folders that a deploy needs. `.gapless` holds secrets, and only the user may read it. */
export function makeFolders(layout: Layout): void {
  mkdirSync(layout.base, { recursive: true, mode: 0o755 })
  mkdirSync(layout.releases, { recursive: true, mode: 0o755 })
  const { own, incoming, workers, candidates, activations, lock } = layout
  for (const folder of [own, incoming, workers, candidates, activations, lock]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }
}
