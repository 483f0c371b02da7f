import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { untilReachable, throughLosses } from '../../src/hosts/reconnect.ts'
import { Failure } from '../../src/common/failure.ts'

const lost = new Failure('connection-lost', 'the connection to the server was lost')

/** Work on a host that is lost at once. @param back after so many tries; each takes half a second */
function losing(back: number, patienceMs: number) {
  const lines: string[] = []
  let tries = 0
  const host = {
    async reconnect() {
      tries += 1
      await delay(500)
      if (tries < back) throw new Failure('host-unreachable', 'There is no route.')
    },
  }
  const work = {
    begin: () => Promise.reject(lost),
    resume: () => Promise.resolve('done'),
    isFinal: () => false,
  }
  const end = throughLosses(host, work, (line) => void lines.push(line), patienceMs)
  return { end, lines, tries: () => tries }
}

describe('a server that is lost', () => {
  test('is asked to go on, once it is back', async () => {
    const { end, lines, tries } = losing(2, 10_000)
    expect(await end).toBe('done')
    expect(tries()).toBe(2)
    expect(lines.at(-1)).toBe('the connection is back')
  })

  test('is given up when the time is over, however long each try takes', async () => {
    const { end, lines, tries } = losing(Infinity, 1500)
    await expect(end).rejects.toBe(lost)
    // At 0 and 1 s; the next would be at 2.5 s.
    expect(tries()).toBe(2)
    expect(lines.at(-1)).toBe('the server is out of reach: There is no route.')
  })
})

describe('a server that cannot be reached at first', () => {
  const out = new Failure('host-unreachable', 'There is no route.')
  const opening = (works: number) => {
    let tries = 0
    return async () => {
      tries += 1
      if (tries < works) throw out
      return tries
    }
  }

  test('is tried again for as long as patience lasts', async () => {
    const lines: string[] = []
    expect(await untilReachable(opening(3), (line) => void lines.push(line), 5000)).toBe(3)
    expect(lines).toHaveLength(2)
    await expect(untilReachable(opening(3), () => undefined, 600)).rejects.toBe(out)
  })

  test('is tried once without patience', async () => {
    await expect(untilReachable(opening(2), () => undefined, 0)).rejects.toBe(out)
  })
})
