/**
 * What the launcher's counters cost: the same workers behind the front door, with them and without, by turns.
 *
 *   npm run bench:counters -- [--workers 1,2,4] [--seconds 0.5] [--rounds 20]
 *
 * Prints a Markdown table of the processor time that an answer takes, which is what bounds throughput and does not depend
 * on what else runs. An empty answer is the worst that can be: each visitor's request costs the same to count. The workers
 * switch the counters themselves: two processes of one app differ by more than what is measured.
 */
import cluster from 'node:cluster'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createFrontDoor } from '../src/worker/front-door.ts'
import { keepRecord } from '../src/worker/record.ts'
import { countTraffic } from '../src/worker/traffic.ts'
import { builtExample } from './built-example.ts'
import { load } from './serve/load.ts'
import { processorTimeOf } from './serve/servers.ts'

const PORT = 18_931
const CONNECTIONS = 16
/** Workers are asked for so long before it counts, in seconds. */
const WARM_UP = 3
const EMPTY = 'an empty answer'
const cases = [
  [EMPTY, '/'],
  ['prerendered page', '/about'],
  ['dynamic page', '/time'],
] as const
type Case = (typeof cases)[number]

type Counters = 'on' | 'off'

if (cluster.isPrimary) await bench()
else await work(process.env['APP'])

/** @param server of a standalone build; none: an app that answers nothing */
async function work(server: string | undefined): Promise<void> {
  const app = server === undefined ? http.createServer((_, response) => response.end()) : await next(server)
  const record = keepRecord(process.env['RECORDS']!, '20260101000000', false)
  const counter = countTraffic((traffic) => record.update({ traffic }))
  let counters: Counters = 'off'
  process.on('message', (wanted: Counters) => {
    counters = wanted
    process.send!(counters)
  })
  const door = createFrontDoor(app, {
    onRequest: (request, response) => (counters === 'on' ? counter.count(request, response) : undefined),
  })
  await door.open((listener) => listener.listen(PORT, '127.0.0.1'))
  process.send!('ready')
}

/** The http server of a standalone build, which runs in this process. */
async function next(server: string): Promise<http.Server> {
  const create = http.createServer
  const made = new Promise<http.Server>((resolve) => {
    http.createServer = ((...args: Parameters<typeof create>) => {
      const app = create(...args)
      app.once('listening', () => resolve(app))
      return app
    }) as typeof create
  })
  Object.assign(process.env, { PORT: '0', HOSTNAME: '127.0.0.1' })
  createRequire(import.meta.url)(server)
  return made
}

async function bench(): Promise<void> {
  const { values } = parseArgs({
    options: {
      workers: { type: 'string', default: '1,2,4' },
      seconds: { type: 'string', default: '0.5' },
      rounds: { type: 'string', default: '20' },
    },
  })
  const app = await builtExample()
  console.log(
    '| workers | answer | without counters | with counters | difference |\n| --: | --- | --: | --: | --: |',
  )
  try {
    for (const workers of values.workers.split(',').map(Number))
      for (const each of cases)
        console.log(await row(workers, each, app.path, Number(values.rounds), Number(values.seconds)))
  } finally {
    app.remove()
  }
}

async function row(
  workers: number,
  each: Case,
  app: string,
  rounds: number,
  seconds: number,
): Promise<string> {
  const [title, path] = each
  const records = mkdtempSync(join(tmpdir(), 'gapless-bench-'))
  const server = title === EMPTY ? {} : { APP: join(app, '.next/standalone/server.js') }
  const forked = Array.from({ length: workers }, () => cluster.fork({ RECORDS: records, ...server }))
  const answers = () => Promise.all(forked.map((worker) => once(worker, 'message')))
  const asked = { port: PORT, path, keepAlive: true }
  const spent: Record<Counters, { answers: number; time: number }> = {
    on: { answers: 0, time: 0 },
    off: { answers: 0, time: 0 },
  }
  const serving = { port: PORT, pids: forked.map(({ process: { pid } }) => pid!) }
  await answers()
  await load(asked, CONNECTIONS, WARM_UP)
  for (let round = 0; round < rounds; round += 1) {
    for (const counters of round % 2 === 0 ? (['off', 'on'] as const) : (['on', 'off'] as const)) {
      const switched = answers()
      for (const worker of forked) worker.send(counters)
      await switched
      const before = processorTimeOf(serving)
      spent[counters].answers += (await load(asked, CONNECTIONS, seconds)).answers
      spent[counters].time += processorTimeOf(serving) - before
    }
  }
  for (const worker of forked) worker.kill('SIGKILL')
  await Promise.all(forked.map((worker) => once(worker, 'exit')))
  rmSync(records, { recursive: true, force: true })
  const [off, on] = (['off', 'on'] as const).map((counters) => spent[counters].time / spent[counters].answers)
  const difference = `${((100 * (on! - off!)) / off!).toFixed(1)}%`
  return `| ${[workers, title, `${off!.toFixed(1)} µs`, `${on!.toFixed(1)} µs`, difference].join(' | ')} |`
}
