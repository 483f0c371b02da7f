/** What version 0.1 has left on a server: it must be read as what it meant. */
import { writeFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { previousRelease } from '../../src/agent/store/history.ts'
import { releaseFiles, releaseDirectory, type Layout } from '../../src/agent/store/layout.ts'
import { readManifest } from '../../src/agent/store/manifest-file.ts'
import { pointCurrentAt, readRuntime } from '../../src/agent/store/releases.ts'
import { parse } from '../../src/protocol/guards.ts'
import { activationRequest } from '../../src/protocol/messages.ts'
import { readRelease } from '../../src/worker/release.ts'
import { temporaryFolders } from '../support/folder.ts'
import { newLayout, request, runtimeWith, writeRelease } from './releases-on-disk.ts'

const folder = temporaryFolders()
const [first, second] = ['20260101000001', '20260101000002'] as const

function writeVerified(layout: Layout, id: string, activatedAt: string): void {
  writeRelease(layout, id)
  const { verified } = releaseFiles(releaseDirectory(layout, id))
  writeFileSync(verified, JSON.stringify({ activatedAt, activation: 'a' }))
}

test('a release that a rollback of version 0.1 left is no release to go back to', async () => {
  const layout = newLayout(folder())
  writeVerified(layout, second, '2026-01-01T00:00:02.000Z')
  // Deployed before the second, and served once more after it.
  writeVerified(layout, first, '2026-01-01T00:00:03.000Z')
  await pointCurrentAt(layout, first)
  expect(await previousRelease(layout, first)).toBeNull()
  expect(await previousRelease(layout, second)).toBe(first)
})

test('a launcher reads a release whose health check has no origin, as the agent does', async () => {
  const layout = newLayout(folder())
  const directory = writeRelease(layout, first)
  const { own, runtime } = releaseFiles(directory)
  const { origin: _, ...health } = runtimeWith().health
  writeFileSync(runtime, JSON.stringify({ ...runtimeWith(), health }))
  expect(readRelease(own).runtime.health.origin).toBeNull()
  expect((await readRuntime(layout, first)).health.origin).toBeNull()
})

test('a release from before caches were shared shares its cache, and does not know when its build began', () => {
  const directory = writeRelease(newLayout(folder()), first)
  const { own, runtime } = releaseFiles(directory)
  const { shareCache: _, ...before } = runtimeWith()
  writeFileSync(runtime, JSON.stringify(before))
  expect(readRelease(own)).toMatchObject({ built: null, runtime: { shareCache: true } })
})

describe('a manifest', () => {
  const read = async (target: string) => {
    const { manifest } = releaseFiles(writeRelease(newLayout(folder()), first))
    writeFileSync(manifest, `${JSON.stringify({ kind: 'link', path: 'a/b/link', target })}\n`)
    const entries = []
    for await (const entry of readManifest(manifest)) entries.push(entry)
    return entries
  }

  test('may have links with an inner `..`', async () => {
    expect(await read('c/../../d')).toMatchObject([{ target: 'c/../../d' }])
  })

  test('has no link that leaves the release', async () => {
    await expect(read('c/../../../../d')).rejects.toMatchObject({ code: 'unsafe-path' })
  })
})

test('an activation without the name of GitHub’s event can be resumed', () => {
  const { event: _, ...run } = request.run
  expect(parse(activationRequest, JSON.stringify({ ...request, run }), 'job').run.event).toBe('')
})
