import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { assertLauncher, repairLauncher } from '../../../src/agent/store/launcher.ts'
import { type Layout, layoutOf, releaseDirectory, releaseFiles } from '../../../src/agent/store/layout.ts'
import { checkIntegrity } from '../../../src/agent/store/integrity.ts'
import { createUploads } from '../../../src/agent/upload/upload.ts'
import { contentParts, missingFiles } from '../../../src/transfer/stream.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { manifestOf } from '../../support/tree.ts'
import { stage } from '../../support/upload.ts'
import { run, runtimeWith } from '../releases-on-disk.ts'

const folder = temporaryFolders()
let layout: Layout

beforeEach(() => {
  layout = layoutOf(join(folder(), 'app'))
})

/** A release as an upload leaves it. */
async function release(launcher: string): Promise<string> {
  const uploads = createUploads(layout)
  const manifest = await manifestOf(folder(), { '.gapless/launcher.cjs': launcher, 'server.js': '//' })
  const { id, missing } = await stage(uploads, manifest)
  for (const { files, content } of contentParts(missingFiles(manifest, missing))) {
    await uploads.fill(id, files.length, content)
  }
  const runtime = runtimeWith()
  await uploads.commit(
    { id, entry: 'server.js', staticPath: null, nextVersion: '', builtMsAgo: 0, run, runtime },
    () => undefined,
  )
  return id
}

const launcherOf = (id: string) => releaseFiles(releaseDirectory(layout, id)).launcher
const damages: readonly (readonly [string, (file: string) => void])[] = [
  ['was changed in its place', (file) => writeFileSync(file, 'process.exit(1)')],
  ['is missing', (file) => rmSync(file)],
  [
    'is a link to something else',
    (file) => {
      rmSync(file)
      symlinkSync('/etc/hostname', file)
    },
  ],
  [
    'is a folder',
    (file) => {
      rmSync(file)
      mkdirSync(join(file, 'in it'), { recursive: true })
    },
  ],
]

describe('a launcher', () => {
  test('that is intact stays as it is', async () => {
    const id = await release('good')
    const { ino } = statSync(launcherOf(id))
    await assertLauncher(layout, id)
    expect(await repairLauncher(layout, id)).toBeNull()
    expect(statSync(launcherOf(id)).ino).toBe(ino)
  })

  test.each(damages)('that %s is refused, and restored from another release', async (_, damage) => {
    const [id, other] = [await release('good'), await release('good')]
    await release('of a later version')
    damage(launcherOf(id))
    expect(await failureOf(assertLauncher(layout, id))).toMatchObject({
      code: 'release-damaged',
      message: expect.stringContaining(launcherOf(id)),
    })
    expect(await repairLauncher(layout, id)).toContain(`with the one of ${other}`)
    expect(readFileSync(launcherOf(id), 'utf8')).toBe('good')
    // To the last byte: the whole release is what was uploaded again.
    await checkIntegrity(layout, id)
  })

  test('without a copy in another release is replaced by the newest intact launcher', async () => {
    const [id, newer, newest] = [await release('old'), await release('newer'), await release('newest')]
    for (const damaged of [id, newest]) writeFileSync(launcherOf(damaged), 'process.exit(1)')
    expect(await repairLauncher(layout, id)).toContain(`with the one of ${newer}`)
    expect(readFileSync(launcherOf(id), 'utf8')).toBe('newer')
  })

  test('without any intact copy stays, and the failure says so', async () => {
    const [id, other] = [await release('good'), await release('good')]
    for (const damaged of [id, other]) writeFileSync(launcherOf(damaged), 'process.exit(1)')
    expect(await failureOf(repairLauncher(layout, id))).toMatchObject({ code: 'release-damaged' })
    expect(readFileSync(launcherOf(id), 'utf8')).toBe('process.exit(1)')
  })

  test('that no manifest lists does not count as intact', async () => {
    const [id, other] = [await release('good'), await release('good')]
    writeFileSync(releaseFiles(releaseDirectory(layout, id)).manifest, 'no manifest')
    expect(await failureOf(assertLauncher(layout, id))).toMatchObject({ code: 'release-damaged' })
    expect(await repairLauncher(layout, id)).toContain(`with the one of ${other}`)
  })

  test('is a file of its own in each release, so that damage stays in one', async () => {
    const [id, other] = [await release('good'), await release('good')]
    writeFileSync(launcherOf(id), 'process.exit(1)')
    await assertLauncher(layout, other)
  })
})
