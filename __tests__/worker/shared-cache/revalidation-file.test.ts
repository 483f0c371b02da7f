import { fork } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from '@jest/globals'
import {
  openRevalidationFile,
  type RevalidationFileOptions,
} from '../../../src/worker/shared-cache/revalidation-file.ts'
import { Revalidations } from '../../../src/worker/shared-cache/revalidations.ts'
import { compile } from '../../support/compile.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { fillTmpfs, mayMount, mountTmpfs, remount } from '../../support/test-mounts.ts'
import { until } from '../../support/until.ts'

const root = temporaryFolders()()

let folder = ''
let count = 0
beforeEach(() => {
  folder = join(root, String((count += 1)))
})

const at = (time: number) => ({ at: time, stale: 0, until: 0 })
/** As long as Next.js takes at the least until it looks into its cache. */
const laterOn = async () => {
  const now = performance.now()
  while (performance.now() - now < 0.06) await Promise.resolve()
}

/** A worker's view, and what it complained about. */
function open(options: Partial<RevalidationFileOptions> = {}) {
  const troubles: (string | null)[] = []
  const file = openRevalidationFile(folder, {
    mayWrite: true,
    onTrouble: (problem) => troubles.push(problem),
    ...options,
  })
  return {
    file,
    troubles,
    /** What it knows of a tag in the next request. */
    async timeOf(tag: string) {
      await laterOn()
      file.look()
      return file.known.timesOf(tag).at
    },
  }
}

const only = () =>
  join(
    folder,
    readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .sort((a, b) => Number(a) - Number(b))
      .at(-1)!,
  )

test('what one worker adds, every other knows with its next look', async () => {
  const [one, two] = [open(), open()]
  expect(await two.timeOf('news')).toBe(0)
  one.file.add('news', at(5))
  expect(await two.timeOf('news')).toBe(5)
  two.file.add('shop', at(6))
  expect(await one.timeOf('shop')).toBe(6)
  expect(await open().timeOf('news')).toBe(5)
  expect(readdirSync(folder)).toEqual(['1'])
})

test('the file is the user’s alone', () => {
  open().file.add('news', at(5))
  expect(statSync(only()).mode & 0o777).toBe(0o600)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
})

describe('a line whose writer died', () => {
  test.each([
    ['in the name', '[1,"ne'],
    ['in a time', '[1,"news",7'],
    ['at its beginning', '['],
    ['before anything reached the disk', '\0\0\0\0'],
    ['and was an older version', '[1,"news"]'],
    ['and was a later version', '[9,"later",1]'],
    ['and was no worker', 'x'.repeat(20_000)],
  ])('%s is passed over, and the next one is read', async (_, torn) => {
    const [one, two] = [open(), open()]
    one.file.add('news', at(5))
    await two.timeOf('news')
    appendFileSync(only(), torn)
    await two.timeOf('news')
    one.file.add('shop', at(6))
    expect([await two.timeOf('news'), await two.timeOf('shop')]).toEqual([5, 6])
    expect([await open().timeOf('news'), await open().timeOf('shop')]).toEqual([5, 6])
  })

  test('is read once it is whole', async () => {
    const one = open()
    one.file.add('news', at(5))
    const two = open()
    appendFileSync(only(), '\n[1,"shop",6,0')
    expect(await two.timeOf('shop')).toBe(0)
    appendFileSync(only(), ',0]\n')
    expect(await two.timeOf('shop')).toBe(6)
  })
})

test.each([
  ['new lines', 'a\nb\r\n\n[1,"other",9,0,0]\n'],
  ['a null byte', 'a\0b'],
  ['half a character', 'a\ud800'],
  ['quotes', '"],[3]'],
  ['a megabyte', 'ä'.repeat(1024 * 1024)],
  ['nothing', ''],
  ['a prototype', '__proto__'],
])('a tag of %s is a tag like others', async (_, tag) => {
  const [one, two] = [open(), open()]
  one.file.add(tag, at(5))
  one.file.add('news', at(6))
  expect([await two.timeOf(tag), await two.timeOf('news'), await two.timeOf('other')]).toEqual([5, 6, 0])
  expect(await two.timeOf(`${tag}.`)).toBe(0)
  expect(statSync(only()).size).toBeLessThan(1000)
})

describe('when the file has become long', () => {
  const small = { longest: 2000 }

  test('the next one goes on, with all that still counts', async () => {
    const [one, two] = [open(small), open(small)]
    one.file.add('first', at(1))
    for (let time = 2; time < 500; time += 1) (time % 2 === 0 ? one : two).file.add('news', at(time))
    expect(readdirSync(folder)).toHaveLength(1)
    expect(statSync(only()).size).toBeLessThan(2500)
    for (const worker of [one, two, open(small)])
      expect([await worker.timeOf('first'), await worker.timeOf('news')]).toEqual([1, 499])
  })

  test('what was written behind its last line counts', async () => {
    const [one, two] = [open(), open()]
    one.file.add('news', at(1))
    await two.timeOf('news')
    appendFileSync(only(), '\n[3]\n')
    two.file.add('shop', at(2))
    expect(readdirSync(folder)).toEqual(['2'])
    for (const worker of [one, two, open()])
      expect([await worker.timeOf('news'), await worker.timeOf('shop')]).toEqual([1, 2])
  })

  test('anybody goes on where the one who closed it died', async () => {
    const one = open()
    one.file.add('news', at(1))
    appendFileSync(only(), '\n[3]\n')
    writeFileSync(join(folder, '.2.1.tmp'), '[1,"half')
    expect(await open({ mayWrite: false }).timeOf('news')).toBe(1)
    expect(readdirSync(folder)).toContain('1')
    expect(await open().timeOf('news')).toBe(1)
    expect(readdirSync(folder)).toContain('2')
    one.file.add('shop', at(2))
    expect(await open().timeOf('shop')).toBe(2)
  })

  test('anybody goes on where the one who wrote the next one died before he removed it', async () => {
    const [one, two] = [open(), open()]
    one.file.add('news', at(1))
    await two.timeOf('news')
    appendFileSync(join(folder, '1'), '\n[3]\n')
    writeFileSync(join(folder, '2'), '[1,"news",1,0,0]\n')
    one.file.add('shop', at(2))
    for (const worker of [one, two, open()])
      expect([await worker.timeOf('news'), await worker.timeOf('shop')]).toEqual([1, 2])
  })

  const many = process.env['GAPLESS_TEST_ALL'] === '1' ? 1_000_000 : 100_000
  test(`${many} revalidations leave a small file`, () => {
    const known = new Revalidations(() => 2_000_000, 1000)
    const { file } = open({ known })
    let largest = 0
    for (let time = 1; time <= many; time += 1) {
      file.add(`tag-${time % 3000}`, at(time))
      if (time % 20_000 === 0) largest = Math.max(largest, statSync(only()).size)
    }
    expect(largest).toBeLessThan(1.1 * 1024 * 1024)
    expect(readdirSync(folder)).toHaveLength(1)
    const fresh = openRevalidationFile(folder, { mayWrite: true, onTrouble: () => undefined })
    fresh.look()
    expect(fresh.known.timesOf(`tag-${many % 3000}`).at).toBe(many)
    // Only the newest thousand are known by name; everything else counts as revalidated.
    for (let time = many - 2999; time < many; time += 1)
      expect(fresh.known.timesOf(`tag-${time % 3000}`).at).toBeGreaterThanOrEqual(time)
  }, 120_000)
})

describe('several processes', () => {
  test('that write at once, while the file is closed again and again and some of them are killed, lose nothing', async () => {
    const compiled = compile(join(root, 'compiled'))
    const script = join(root, 'writer.cjs')
    const module = join(compiled, 'worker/shared-cache/revalidation-file.js')
    writeFileSync(
      script,
      `const [folder, name, count] = process.argv.slice(2)
      import(${JSON.stringify(module)}).then(({ openRevalidationFile }) => {
        const file = openRevalidationFile(folder, { mayWrite: true, longest: 3000, onTrouble: (problem) => problem && process.send({ problem }) })
        let time = 0
        const write = () => {
          for (let i = 0; i < 20; i += 1) { time += 1; file.add(name + '-' + time % 7, { at: time, stale: 0, until: 0 }) }
          process.send({ time }, () => (time < Number(count) ? setImmediate(write) : process.exit()))
        }
        write()
      })`,
    )
    const start = (name: string) => {
      const child = fork(script, [folder, name, '2000'])
      const told = { time: 0, problems: [] as string[] }
      child.on('message', (message: { time?: number; problem?: string }) => {
        told.time = message.time ?? told.time
        if (message.problem !== undefined) told.problems.push(message.problem)
      })
      return { name, child, told, exit: once(child, 'exit') }
    }
    const writers = ['a', 'b', 'c'].map(start)
    const doomed = ['d', 'e', 'f', 'g'].map(start)
    for (const [index, { child, told, exit }] of doomed.entries()) {
      await until('it writes', () => told.time > 200 * (index + 1))
      child.kill('SIGKILL')
      await exit
    }
    await Promise.all(writers.map(({ exit }) => exit))
    const reader = open()
    for (const { name, told } of [...writers, ...doomed]) {
      expect(told.problems).toEqual([])
      expect(told.time).toBeGreaterThan(0)
      for (let left = 0; left < 7; left += 1) {
        const time = told.time - left
        expect(await reader.timeOf(`${name}-${time % 7}`)).toBeGreaterThanOrEqual(time)
      }
    }
    // What the killed ones left, of the next file too, is gone once the file has been closed twice.
    for (let closings = 0; closings < 2; closings += 1) {
      appendFileSync(only(), '\n[3]\n')
      await laterOn()
      reader.file.look()
    }
    expect(readdirSync(folder)).toHaveLength(1)
  }, 60_000)
})

describe('a clock', () => {
  test('that is set back writes no time that lies before one that is known', async () => {
    let now = 1_000_000
    const one = open({ known: new Revalidations(() => now) })
    const two = open({ known: new Revalidations(() => now) })
    one.file.add('news', at(one.file.known.now()))
    await two.timeOf('news')
    now -= 60_000
    expect(two.file.known.now()).toBeGreaterThan(1_000_000)
    two.file.add('news', at(two.file.known.now()))
    expect(await one.timeOf('news')).toBeGreaterThan(1_000_000)
    now += 120_000
    expect(two.file.known.now()).toBe(now)
  })

  test('that was years ahead counts no more once it is right', async () => {
    const future = 4_000_000_000_000
    open({ known: new Revalidations(() => future) }).file.add('news', at(future))
    const now = 1_800_000_000_000
    const later = open({ known: new Revalidations(() => now) })
    expect(await later.timeOf('news')).toBe(now)
    expect(later.file.known.now()).toBe(now)
  })
})

describe('what stands in the place of the file', () => {
  test.each([
    ['a folder', (path: string) => mkdirSync(path)],
    ['a link', (path: string) => symlinkSync(join(root, 'elsewhere'), path)],
    ['a link to nowhere', (path: string) => symlinkSync('/nowhere/at/all', path)],
  ])('%s is left alone, and the worker goes on by itself', async (_, make) => {
    mkdirSync(folder)
    writeFileSync(join(root, 'elsewhere'), 'precious')
    make(join(folder, '1'))
    const { file, troubles, timeOf } = open()
    file.add('news', at(5))
    expect(await timeOf('news')).toBe(5)
    expect(troubles).toEqual([expect.any(String)])
    expect(readFileSync(join(root, 'elsewhere'), 'utf8')).toBe('precious')
    expect(existsSync('/nowhere')).toBe(false)
    rmSync(join(folder, '1'), { recursive: true })
    file.add('shop', at(6))
    expect(troubles).toEqual([expect.any(String), null])
    // What could not be told is told now.
    expect([await open().timeOf('news'), await open().timeOf('shop')]).toEqual([5, 6])
  })

  test('a link in the place of the folder is left alone', async () => {
    mkdirSync(join(root, 'other'), { recursive: true })
    symlinkSync(join(root, 'other'), folder)
    const { file, troubles, timeOf } = open()
    file.add('news', at(5))
    expect(await timeOf('news')).toBe(5)
    expect(troubles).toEqual([expect.stringContaining('is not a folder')])
    expect(readdirSync(join(root, 'other'))).toEqual([])
  })
})

describe('where somebody took it away', () => {
  test.each([
    ['removed', () => rmSync(folder, { recursive: true })],
    ['emptied', () => truncateSync(only(), 0)],
    [
      'replaced',
      () => {
        rmSync(only())
        writeFileSync(join(folder, '1'), '[1,"other",3,0,0]\n')
      },
    ],
  ])('a file that is %s is written anew by whoever adds next', async (_, take) => {
    const [one, two] = [open(), open()]
    one.file.add('news', at(5))
    await two.timeOf('news')
    take()
    two.file.add('shop', at(6))
    expect([await open().timeOf('news'), await open().timeOf('shop')]).toEqual([5, 6])
  })
})

const onDisk = mayMount ? describe : describe.skip
onDisk('a disk', () => {
  const withDisk = async (act: () => Promise<void>) => {
    const unmount = mountTmpfs(folder, 'size=1m,mode=700')
    try {
      await act()
    } finally {
      unmount()
    }
  }

  test('that is full leaves a worker with what it knows, and says so once; with room it tells the others', () =>
    withDisk(async () => {
      const [one, two] = [open(), open()]
      one.file.add('first', at(1))
      await two.timeOf('first')
      fillTmpfs(folder, 'blocks')
      // A file may have room in its last block.
      for (let time = 2; time < 300; time += 1) one.file.add('news', at(time))
      expect(await one.timeOf('news')).toBe(299)
      expect(one.troubles).toEqual([expect.stringContaining('ENOSPC')])
      expect(await two.timeOf('news')).toBeLessThan(299)
      expect(two.troubles).toEqual([])
      remount(folder, 'size=2m')
      one.file.add('shop', at(300))
      expect([await two.timeOf('news'), await two.timeOf('shop')]).toEqual([299, 300])
      expect(one.troubles).toEqual([expect.any(String), null])
    }))

  test('that has no room for the next file keeps this one', () =>
    withDisk(async () => {
      const [one, two] = [open({ longest: 2000 }), open({ longest: 2000 })]
      one.file.add('first', at(1))
      await two.timeOf('first')
      fillTmpfs(folder, 'inodes')
      for (let time = 2; time < 300; time += 1) one.file.add('news', at(time))
      expect(one.troubles).toEqual([])
      expect(readdirSync(folder)).toEqual(['1'])
      expect([await two.timeOf('first'), await two.timeOf('news')]).toEqual([1, 299])
      remount(folder, 'nr_inodes=100')
      one.file.add('news', at(300))
      expect(readdirSync(folder)).toEqual(['2'])
      expect([await two.timeOf('first'), await two.timeOf('news')]).toEqual([1, 300])
    }))

  test('that is read-only lets a worker read, and it says that it cannot tell', () =>
    withDisk(async () => {
      writeFileSync(join(folder, '1'), '[1,"first",1,0,0]\n')
      remount(folder, 'ro')
      const { file, troubles, timeOf } = open()
      expect(await timeOf('first')).toBe(1)
      expect(troubles).toEqual([expect.stringContaining('EROFS')])
      file.add('news', at(2))
      expect([await timeOf('news'), await timeOf('first')]).toEqual([2, 1])
      expect(troubles).toHaveLength(1)
      remount(folder, 'rw')
      // It is tried again once a second.
      await until(
        'it is told',
        async () => (await open({ mayWrite: false }).timeOf('news')) === 2 || (file.look(), false),
      )
      expect(troubles).toEqual([expect.any(String), null])
    }))
})

test('a candidate reads what is there, and leaves nothing behind', async () => {
  const candidate = open({ mayWrite: false })
  expect(await candidate.timeOf('news')).toBe(0)
  candidate.file.add('shop', at(5))
  expect(existsSync(folder)).toBe(false)
  open().file.add('news', at(6))
  expect(await candidate.timeOf('news')).toBe(6)
  expect(await open().timeOf('shop')).toBe(0)
  expect(candidate.troubles).toEqual([])
})
