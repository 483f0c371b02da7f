import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { releaseFiles } from '../../../src/agent/store/layout.ts'
import {
  dropPreparedLinks,
  foreignCurrent,
  liveRelease,
  listReleases,
  markRejected,
  markStaged,
  newestId,
  pointCurrentAt,
  pointCurrentBack,
  prepareLink,
  readInfo,
  readRuntime,
  releaseIds,
  removeRelease,
} from '../../../src/agent/store/releases.ts'
import { linkTarget } from '../../../src/agent/system/files.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const [first, second, third] = ['20260101000001', '20260101000002', '20260101000003'] as const

describe('the releases', () => {
  test('are listed oldest first, and nothing else is', async () => {
    const layout = newLayout(folder())
    for (const id of [second, first]) writeRelease(layout, id)
    for (const stranger of ['lost+found', '2026', `${first}.old`]) mkdirSync(join(layout.releases, stranger))
    expect(await releaseIds(layout)).toEqual([first, second])
  })

  test('are those with papers of Gapless: other tools name theirs alike', async () => {
    const layout = newLayout(folder())
    mkdirSync(join(layout.releases, first))
    writeRelease(layout, second)
    expect(await releaseIds(layout)).toEqual([second])
    expect(await failureOf(removeRelease(layout, first))).toMatchObject({ code: 'unknown-release' })
    expect(readdirSync(layout.releases).sort()).toEqual([first, second])
  })

  test('are none where nothing was ever deployed', async () => {
    const layout = newLayout(folder())
    rmSync(layout.base, { recursive: true })
    expect(await releaseIds(layout)).toEqual([])
    expect(await liveRelease(layout)).toBeNull()
    expect(await listReleases(layout)).toEqual([])
  })

  test('say what they are and how they run', async () => {
    const layout = newLayout(folder())
    writeRelease(layout, first)
    expect(await readInfo(layout, first)).toMatchObject({ id: first, commit: 'c0ffee', entry: 'server.js' })
    expect(await readRuntime(layout, first)).toMatchObject({ port: 3000, instances: 1 })
  })

  test('that lost their papers are called damaged', async () => {
    const layout = newLayout(folder())
    const files = releaseFiles(writeRelease(layout, first))
    rmSync(files.info)
    rmSync(files.runtime)
    expect(await failureOf(readInfo(layout, first))).toMatchObject({
      code: 'release-damaged',
      message: expect.stringContaining('release.json'),
    })
    expect(await failureOf(readRuntime(layout, first))).toMatchObject({
      code: 'release-damaged',
      message: expect.stringContaining('runtime.json'),
    })
  })

  test('are summed up, the damaged ones too', async () => {
    const layout = newLayout(folder())
    const at = '2026-01-01T00:00:01.000Z'
    const sound = writeRelease(layout, first, at)
    const file = { kind: 'file', path: 'a', mode: 0o644, size: 7, hash: 'a'.repeat(64) }
    writeFileSync(
      releaseFiles(sound).manifest,
      `${JSON.stringify(file)}\n${JSON.stringify({ ...file, path: 'b' })}\n`,
    )
    const files = releaseFiles(writeRelease(layout, second))
    writeFileSync(files.info, 'no JSON')
    writeFileSync(files.verified, 'no JSON')
    rmSync(files.manifest)
    await pointCurrentAt(layout, first)

    expect(await listReleases(layout)).toEqual([
      expect.objectContaining({ id: first, live: true, activatedAt: at, bytes: 14 }),
      { id: second, live: false, activatedAt: null, left: false, staged: false, info: null, bytes: 0 },
    ])
  })
})

test('a release is staged as long as it has not served and nothing newer is current', async () => {
  const layout = newLayout(folder())
  const ids = ['20260101000001', '20260101000002', '20260101000003']
  for (const id of ids) writeRelease(layout, id)
  const staged = async () =>
    (await listReleases(layout)).flatMap((release) => (release.staged ? [release.id] : []))
  for (const id of [ids[0]!, ids[2]!]) await markStaged(layout, id)
  expect(await staged()).toEqual([ids[0], ids[2]])
  await pointCurrentAt(layout, ids[1]!)
  expect(await staged()).toEqual([ids[2]])
  writeRelease(layout, ids[2]!, '2026-01-01T00:00:03.000Z')
  expect(await staged()).toEqual([])
  await markRejected(layout, ids[2]!)
  expect(await staged()).toEqual([])
})

test('the newest id is that of any release or upload, whoever made it', async () => {
  const layout = newLayout(folder())
  expect(await newestId(layout)).toBeNull()
  writeRelease(layout, '20260101000001')
  expect(await newestId(layout)).toBe('20260101000001')
  mkdirSync(join(layout.releases, '20260101000002'))
  expect(await newestId(layout)).toBe('20260101000002')
  mkdirSync(join(layout.incoming, '20260101000003.interrupted'))
  mkdirSync(join(layout.incoming, 'something-20270101000000'))
  expect(await newestId(layout)).toBe('20260101000003')
})

describe('the live release', () => {
  test('is the one that current points at, by a relative link', async () => {
    const parent = folder()
    const layout = newLayout(parent)
    writeRelease(layout, first)
    await pointCurrentAt(layout, first)
    expect(await liveRelease(layout)).toBe(first)
    expect(readlinkSync(layout.current)).toBe(`releases/${first}`)

    renameSync(layout.base, join(parent, 'moved'))
    expect(existsSync(join(parent, 'moved', 'current', 'server.js'))).toBe(true)
  })

  test('is none when it is gone, or current points somewhere else', async () => {
    const layout = newLayout(folder())
    symlinkSync(`releases/${first}`, layout.current)
    expect(await liveRelease(layout)).toBeNull()
    rmSync(layout.current)
    symlinkSync('/srv/www', layout.current)
    expect(await liveRelease(layout)).toBeNull()
  })

  test('is none where current points at a folder of that name that is no release of this app', async () => {
    const parent = folder()
    const [layout, other] = [newLayout(parent), newLayout(join(parent, 'other'))]
    for (const id of [first, second]) mkdirSync(join(layout.releases, id))
    writeRelease(layout, third)
    writeRelease(other, third)
    const point = (target: string) => {
      rmSync(layout.current, { force: true })
      symlinkSync(target, layout.current)
    }
    point(`releases/${first}`)
    expect(await liveRelease(layout)).toBeNull()
    expect(await foreignCurrent(layout)).toBe(`releases/${first}`)
    // Of the same id, in another app's folder.
    point(join(other.releases, third))
    expect(await liveRelease(layout)).toBeNull()
    expect(await foreignCurrent(layout)).toBe(join(other.releases, third))
    point(join(layout.releases, third))
    expect(await liveRelease(layout)).toBe(third)
    expect(await foreignCurrent(layout)).toBeNull()
    // A link that leads nowhere is nothing that anybody could lose.
    point('releases/20250101000000')
    expect(await foreignCurrent(layout)).toBeNull()
  })

  test('is not looked for in a folder that somebody else made in place of the link', async () => {
    const layout = newLayout(folder())
    writeRelease(layout, first)
    mkdirSync(layout.current)
    expect(await failureOf(liveRelease(layout))).toMatchObject({ code: 'current-not-a-link' })
    expect(await failureOf(pointCurrentAt(layout, first))).toMatchObject({ code: 'current-not-a-link' })
    expect(readdirSync(layout.current)).toEqual([])
  })
})

describe('the swap', () => {
  test('is atomic: who looks at the link always finds one', async () => {
    const layout = newLayout(folder())
    for (const id of [first, second]) writeRelease(layout, id)
    await pointCurrentAt(layout, first)
    let [ended, missing, looked] = [false, 0, 0]
    const swapping = (async () => {
      for (let round = 1; round <= 50; round += 1) await pointCurrentAt(layout, round % 2 ? first : second)
      ended = true
    })()
    while (!ended) {
      looked += 1
      if ((await linkTarget(layout.current)) === null) missing += 1
    }
    await swapping
    expect({ missing, live: await liveRelease(layout) }).toEqual({ missing: 0, live: second })
    expect(looked).toBeGreaterThan(10)
  })

  test('takes the link that was prepared for it, whatever was in its place', async () => {
    const layout = newLayout(folder())
    writeRelease(layout, first)
    writeFileSync(join(layout.own, `current-to-${first}`), 'left by somebody')
    await prepareLink(layout, first)
    const prepared = lstatSync(join(layout.own, `current-to-${first}`)).ino
    await pointCurrentAt(layout, first)
    expect(lstatSync(layout.current).ino).toBe(prepared)
  })

  test('can be taken back to what the link said before', async () => {
    const layout = newLayout(folder())
    mkdirSync(join(layout.releases, first))
    symlinkSync(`./releases/${first}`, layout.current)
    writeRelease(layout, second)
    await pointCurrentAt(layout, second)
    await pointCurrentBack(layout, `./releases/${first}`)
    expect(readlinkSync(layout.current)).toBe(`./releases/${first}`)
    expect(readdirSync(layout.own).filter((name) => name.startsWith('current'))).toEqual([])
  })

  test('leaves no prepared link behind', async () => {
    const layout = newLayout(folder())
    await prepareLink(layout, first)
    await dropPreparedLinks(layout)
    expect(readdirSync(layout.own).filter((name) => name.startsWith('current'))).toEqual([])
  })
})

describe('removing a release', () => {
  test('leaves nothing of it, also where an earlier removal broke off', async () => {
    const layout = newLayout(folder())
    writeRelease(layout, first)
    mkdirSync(join(layout.incoming, `${first}.removed`, 'rest'), { recursive: true })
    await removeRelease(layout, first)
    expect(readdirSync(layout.releases)).toEqual([])
    expect(readdirSync(layout.incoming)).toEqual([])
  })
})
