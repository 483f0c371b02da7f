import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { activationFiles } from '../../../src/agent/activation/job.ts'
import type { Running } from '../../../src/agent/pm2/claims.ts'
import { openJournal } from '../../../src/agent/activation/journal.ts'
import { type Layout, layoutOf, releaseDirectory } from '../../../src/agent/store/layout.ts'
import { takeLock } from '../../../src/agent/system/lock.ts'
import { outline } from '../../../src/agent/upload/outline.ts'
import type { Pm2Process } from '../../../src/agent/pm2/client.ts'
import { compare, dryRun } from '../../../src/agent/operations/dry-run.ts'
import { pointCurrentAt } from '../../../src/agent/store/releases.ts'
import { createUploads } from '../../../src/agent/upload/upload.ts'
import { formatEntry } from '../../../src/protocol/manifest.ts'
import type { Params } from '../../../src/protocol/messages.ts'
import type { Manifest } from '../../../src/transfer/manifest.ts'
import { manifestStream } from '../../../src/transfer/stream.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { listing } from '../../support/listing.ts'
import { freePort } from '../../support/port.ts'
import { type Content, manifestOf } from '../../support/tree.ts'
import { bodyOf, missingList, noBase, stage, stageParamsOf } from '../../support/upload.ts'
import { newLayout, run, runtimeWith, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`a/${index + 10}.txt`, `${index}`]))
const site: Readonly<Record<string, Content>> = { ...many, 'b/two.txt': 'two', 'server.js': 'serve()' }

async function deploy(layout: Layout, contents: Readonly<Record<string, Content>>): Promise<void> {
  const uploads = createUploads(layout)
  const manifest = await manifestOf(folder(), contents)
  const { id, missing } = await stage(uploads, manifest)
  const sent = missingList(manifest, missing)
  await uploads.fill(id, sent.length, bodyOf(sent))
  const entry = {
    entry: 'server.js',
    staticPath: null,
    nextVersion: '16.4.6',
    builtMsAgo: 0,
    run,
    runtime: runtimeWith(),
  }
  await uploads.commit({ id, ...entry }, () => undefined)
}

async function comparing(layout: Layout, manifest: Manifest, known = noBase): Promise<readonly string[]> {
  const body = manifestStream(manifest, known.folders)
  const { missing, lack } = await compare(layout, stageParamsOf(manifest, known), body)
  expect(lack).toBe(null)
  return missingList(manifest, missing).map(({ path }) => path)
}

describe('compare', () => {
  test('returns what the server lacks, and writes nothing', async () => {
    const base = folder()
    const layout = layoutOf(join(base, 'app'))
    await deploy(layout, site)
    const before = listing(base)
    const next = await manifestOf(folder(), { ...site, 'b/two.txt': 'changed', 'c/new.txt': 'new' })
    expect(await comparing(layout, next)).toEqual(['b/two.txt', 'c/new.txt'])
    const known = await outline(layout)
    expect(known.base).not.toBe(null)
    expect(await comparing(layout, next, known)).toEqual(['b/two.txt', 'c/new.txt'])
    expect(listing(base)).toEqual(before)
  })

  test('returns everything before the first deploy, and creates no folder', async () => {
    const base = folder()
    const manifest = await manifestOf(folder(), site)
    expect(await comparing(layoutOf(join(base, 'app')), manifest)).toEqual(Object.keys(site))
    expect(listing(base)).toEqual([])
  })

  test('returns disk-full with the space that the release needs', async () => {
    const hash = 'a'.repeat(64)
    const line = formatEntry({ kind: 'file', path: 'huge', mode: 0o644, size: 2 ** 52, hash })
    const params = {
      base: null,
      distDir: '.next',
      contentHash: createHash('sha256').update(line).digest('hex'),
    }
    async function* body() {
      yield brotliCompressSync(line)
    }
    const { lack } = await compare(layoutOf(join(folder(), 'app')), params, body())
    expect(lack).toMatchObject({
      code: 'disk-full',
      message: expect.stringContaining('needs 4503599.6 GB'),
    })
  })

  test('fails with base-changed when the base is gone, as an upload does', async () => {
    const layout = layoutOf(join(folder(), 'app'))
    await deploy(layout, site)
    const known = await outline(layout)
    rmSync(releaseDirectory(layout, known.base!), { recursive: true })
    const manifest = await manifestOf(folder(), site)
    expect(await failureOf(comparing(layout, manifest, known))).toMatchObject({ code: 'base-changed' })
  })
})

const id = (number: number) => `2026010100000${number}`
const nobody: Running = { all: [], daemon: null, program: null }

/** Releases 1 to 4, all verified, the last one live. */
async function deployed(base: string): Promise<Layout> {
  const layout = newLayout(base)
  for (const number of [1, 2, 3, 4]) writeRelease(layout, id(number), `2026-01-01T00:00:0${number}.000Z`)
  await pointCurrentAt(layout, id(4))
  return layout
}

async function ask(
  layout: Layout,
  changes: Partial<Params<'dryRun'>> = {},
  running: Running = nobody,
): ReturnType<typeof dryRun> {
  const address = { host: '127.0.0.1', port: await freePort() }
  return dryRun(
    { layout, appName: 'site' },
    { release: null, run, address, said: { host: null, port: null }, keep: 3, ...changes },
    running,
  )
}

describe('a dry run', () => {
  test('lists what the cleanup would remove, and writes nothing', async () => {
    const base = folder()
    const layout = await deployed(base)
    mkdirSync(layout.workers, { recursive: true })
    writeFileSync(join(layout.workers, '999999999.json'), 'of a process that is dead')
    const before = listing(base)
    expect(await ask(layout)).toEqual({ findings: [], pruned: [id(1), id(2)] })
    expect(await ask(layout, { keep: 9 })).toEqual({ findings: [], pruned: [] })
    // What comes after the release that would be live may still be wanted, and the one before it is the way back.
    expect(await ask(layout, { release: id(3), keep: 1 })).toEqual({ findings: [], pruned: [id(1)] })
    expect(listing(base)).toEqual(before)
  })

  test('finds nothing, and creates nothing, before the first deploy', async () => {
    const base = folder()
    expect(await ask(layoutOf(join(base, 'app')))).toEqual({ findings: [], pruned: [] })
    expect(listing(base)).toEqual([])
  })

  test('finds the holder of the lock', async () => {
    const layout = await deployed(folder())
    const lock = await takeLock(layout.lock, 'run 8 of Deploy', 0)
    const { findings } = await ask(layout)
    await lock.release()
    expect(findings).toEqual([
      {
        effect: 'waits',
        code: 'locked',
        message: expect.stringMatching(/^The lock is held by run 8 of Deploy, since .* \(process \d+\)\.$/),
        remedy: 'A run waits for the lock for at most `lock-timeout`.',
      },
    ])
    expect(await ask(layout)).toMatchObject({ findings: [] })
  })

  test('finds a run that was interrupted after the swap', async () => {
    const layout = await deployed(folder())
    const activation = '00000000-0000-4000-8000-000000000000'
    await openJournal(layout.journal, activation).begin('swap', '')
    writeFileSync(activationFiles(layout, activation).job, '{}')
    expect(await ask(layout)).toMatchObject({ findings: [{ effect: 'recovers' }] })
  })

  test('finds a later run that is live, which ends a deploy but not a rollback', async () => {
    const layout = await deployed(folder())
    const late = { ...run, runUrl: run.runUrl.replace('107', '106') }
    expect(await ask(layout, { run: late })).toMatchObject({
      findings: [{ effect: 'ends', code: 'overtaken' }],
    })
    expect(await ask(layout, { run: late, release: id(3) })).toMatchObject({ findings: [] })
  })

  test('finds what else listens on the port of the run, or of the rollback’s target', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const layout = await deployed(folder())
    const taken = {
      effect: 'ends',
      code: 'port-taken',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    }
    const runtime = runtimeWith({ port })
    writeFileSync(join(releaseDirectory(layout, id(3)), '.gapless', 'runtime.json'), JSON.stringify(runtime))
    try {
      expect(await ask(layout, { address: { host: '127.0.0.1', port } })).toMatchObject({ findings: [taken] })
      expect(await ask(layout, { release: id(3), address: null })).toMatchObject({ findings: [taken] })
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  test('finds another app of the same name that Gapless deployed', async () => {
    const [layout, other] = [await deployed(folder()), await deployed(folder())]
    const theirs = { name: 'site', pid: 1, mode: 'cluster_mode', status: 'online', cwd: other.current }
    const process = { ...theirs, script: `${other.current}/.gapless/launcher.cjs` } as Pm2Process
    const { findings } = await ask(layout, {}, { ...nobody, all: [process] })
    expect(findings).toMatchObject([{ effect: 'ends', code: 'app-name-taken' }])
  })

  test('finds that the app would move to an address that the run does not name', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const layout = newLayout(folder())
    const app = { name: 'site', pid: process.pid, mode: 'fork_mode', status: 'online', script: '/srv/app.js' }
    const all = [{ ...app, definition: {} } as unknown as Pm2Process]
    try {
      const { findings } = await ask(layout, {}, { ...nobody, all })
      expect(findings).toMatchObject([
        {
          effect: 'ends',
          code: 'address-differs',
          message: expect.stringContaining(`127.0.0.1:${port}, and`),
        },
      ])
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  test('finds an app of another name that Gapless deployed to the same folder', async () => {
    const layout = await deployed(folder())
    const ours = { name: 'former', pid: 1, mode: 'cluster_mode', status: 'online', cwd: layout.current }
    const process = { ...ours, script: `${layout.current}/.gapless/launcher.cjs` } as Pm2Process
    const { findings } = await ask(layout, {}, { ...nobody, all: [process] })
    expect(findings).toMatchObject([{ effect: 'ends', code: 'path-taken' }])
  })

  test('finds the target of `current` where another tool deployed before', async () => {
    const layout = newLayout(folder())
    mkdirSync(join(layout.releases, '20240101000000'))
    symlinkSync('releases/20240101000000', layout.current)
    expect(await ask(layout)).toMatchObject({
      findings: [
        { effect: 'replaces', message: expect.stringContaining('points at "releases/20240101000000"') },
      ],
      pruned: [],
    })
  })

  test('finds processes under the app’s name that must be restarted', async () => {
    const layout = await deployed(folder())
    const ours = { name: 'site', pid: 1, mode: 'cluster_mode', status: 'online', cwd: layout.current }
    const known = { ...ours, script: `${layout.current}/.gapless/launcher.cjs` } as Pm2Process
    const other = { ...ours, pid: 2, mode: 'fork_mode', script: '/srv/shop/server.js' } as Pm2Process
    expect(await ask(layout, {}, { ...nobody, all: [known] })).toMatchObject({ findings: [] })
    const { findings } = await ask(layout, {}, { ...nobody, all: [known, other] })
    expect(findings).toEqual([
      expect.objectContaining({
        effect: 'gap',
        message: expect.stringContaining('did not start: 2 (fork mode, /srv/shop/server.js).'),
      }),
    ])
  })
})
