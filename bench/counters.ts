/**
 * What the launcher's counters cost: the same small app behind the front door, with them and without, in turns.
 *
 *   npm run bench:counters -- [--workers 1,2,4] [--seconds 5] [--rounds 4]
 *
 * Prints a Markdown table. Each figure is the median of its rounds.
 */
import cluster from 'node:cluster'
import { once } from 'node:events'
import http from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { tmpdir } from 'node:os'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createFrontDoor } from '../src/worker/front-door.ts'
import { keepRecord } from '../src/worker/record.ts'
import { countTraffic } from '../src/worker/traffic.ts'

const PORT = 18_931
const CONNECTIONS = 16

if (cluster.isPrimary) await bench()
else await work(process.env['COUNTERS'] === 'on')

async function work(counts: boolean): Promise<void> {
  const app = http.createServer((_, response) => response.end('hello'))
  const record = keepRecord(process.env['RECORDS']!, '20260101000000', false)
  const counter = counts ? countTraffic((traffic) => record.update({ traffic })) : null
  const door = createFrontDoor(app, counter === null ? {} : { onRequest: counter.count })
  await door.open((server) => server.listen(PORT, '127.0.0.1'))
  process.send!('ready')
}

async function bench(): Promise<void> {
  const { values } = parseArgs({
    options: {
      workers: { type: 'string', default: '1,2,4' },
      seconds: { type: 'string', default: '5' },
      rounds: { type: 'string', default: '4' },
    },
  })
  console.log('| workers | without counters | with counters | difference |\n| --: | --: | --: | --: |')
  for (const workers of values.workers.split(',').map(Number)) {
    const found: Record<'on' | 'off', number[]> = { on: [], off: [] }
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const which of round % 2 === 0 ? (['off', 'on'] as const) : (['on', 'off'] as const))
        found[which].push(await measure(workers, which, Number(values.seconds)))
    }
    const [off, on] = [median(found.off), median(found.on)]
    const difference = `${((100 * (on - off)) / off).toFixed(1)}%`
    console.log(`| ${workers} | ${Math.round(off)}/s | ${Math.round(on)}/s | ${difference} |`)
  }
}

/** @returns answers per second */
async function measure(workers: number, counters: 'on' | 'off', seconds: number): Promise<number> {
  const records = mkdtempSync(join(tmpdir(), 'gapless-bench-'))
  const forked = Array.from({ length: workers }, () => cluster.fork({ COUNTERS: counters, RECORDS: records }))
  await Promise.all(forked.map((worker) => once(worker, 'message')))
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  let [answers, over] = [0, false]
  const visitor = async () => {
    while (!over) {
      const [response] = (await once(http.get({ host: '127.0.0.1', port: PORT, agent }), 'response')) as [
        http.IncomingMessage,
      ]
      response.resume()
      await once(response, 'end')
      answers += 1
    }
  }
  const visitors = Array.from({ length: CONNECTIONS }, visitor)
  await delay(500)
  const before = answers
  await delay(seconds * 1000)
  const rate = (answers - before) / seconds
  over = true
  await Promise.all(visitors)
  agent.destroy()
  for (const worker of forked) worker.kill('SIGKILL')
  await Promise.all(forked.map((worker) => once(worker, 'exit')))
  rmSync(records, { recursive: true, force: true })
  return rate
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
