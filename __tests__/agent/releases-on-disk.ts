/** Releases as an upload leaves them, written straight to a test's folder. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  layoutOf,
  type Layout,
  makeFolders,
  releaseDirectory,
  releaseFiles,
} from '../../src/agent/store/layout.ts'
import type { ActivationRequest, Runtime } from '../../src/protocol/messages.ts'

export function newLayout(folder: string): Layout {
  const layout = layoutOf(join(folder, 'app'))
  makeFolders(layout)
  return layout
}

export const run = {
  commit: 'c0ffee',
  ref: 'refs/heads/main',
  actor: 'octocat',
  event: 'push',
  runUrl: 'https://github.com/acme/shop/actions/runs/107',
  workflow: 'Deploy',
  runNumber: 7,
  runAttempt: 1,
}

/** A deploy of the first release. */
export const request: ActivationRequest = {
  activation: '00000000-0000-4000-8000-000000000000',
  release: '20260101000001',
  kind: 'deploy',
  replaces: null,
  run,
  lockTimeoutMs: 0,
  preActivate: null,
  postActivate: null,
  canaryMs: 0,
  watchMs: 0,
  said: null,
}

export function runtimeWith(changes: Partial<Runtime> = {}): Runtime {
  return {
    host: '127.0.0.1',
    port: 3000,
    instances: 1,
    maxMemoryBytes: null,
    nodeOptions: [],
    env: {},
    health: { path: '/', status: [[200, 399]], body: null, timeoutMs: 10_000, intervalMs: 100, origin: null },
    observeMs: 0,
    drainTimeoutMs: 1000,
    sharedDirs: [],
    sharedFiles: [],
    shareCache: true,
    socket: null,
    ...changes,
  }
}

/** @param activatedAt ISO time of its last verified activation; null: it never had one */
export function writeRelease(layout: Layout, id: string, activatedAt: string | null = null): string {
  const directory = releaseDirectory(layout, id)
  const files = releaseFiles(directory)
  const created = '2026-11-20T15:52:03.000Z'
  const staticPath = '.next/static'
  const info = { id, ...run, created, entry: 'server.js', staticPath, nextVersion: '16.4.6', contentHash: '' }
  const content: Record<string, string> = {
    'server.js': `// ${id}\n`,
    [files.info]: JSON.stringify(info),
    [files.runtime]: JSON.stringify(runtimeWith()),
    [files.manifest]: '',
    ...(activatedAt === null
      ? {}
      : { [files.verified]: JSON.stringify({ activatedAt, activation: id, kind: 'deploy' }) }),
  }
  for (const [name, text] of Object.entries(content)) {
    const file = name.startsWith('/') ? name : join(directory, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  return directory
}
