/**
 * What `share-cache` costs an answer from the cache: the same app twice, with it and without, asked in turn.
 *
 *   npm run bench:cache -- [--workers 1,2,4] [--rounds 6] [--seconds 2] [--path /cached] [--app FOLDER]
 *
 * Prints a Markdown table, and how long a look-up into the cache takes within a server under load. Two processes of one
 * app differ by more than `share-cache` costs, so the look-up says more than the rates.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { prebuilt, runAction } from '../__tests__/support/runner.ts'
import { freePort } from '../__tests__/support/port.ts'
import { startServer } from '../__tests__/support/server.ts'
import { builtExample } from './built-example.ts'
import { median } from './median.ts'
import { answering, load } from './serve/load.ts'

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '1,2,4' },
    rounds: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '2' },
    path: { type: 'string', default: '/cached' },
    app: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const CONNECTIONS = 16
type Shared = 'true' | 'false'
/** In seconds. An answer takes half as long once the engine has compiled what the worker runs. */
const WARM_UP = 3

if (values.help)
  console.log(
    'npm run bench:cache -- [--workers 1,2,4] [--rounds 6] [--seconds 2] [--path /cached] [--app FOLDER]',
  )
else await bench()

async function bench(): Promise<void> {
  const workspace = values.app ?? (await builtExample()).path
  console.log('| workers | `share-cache: true` | `share-cache: false` | ratio |')
  console.log('| ---: | ---: | ---: | ---: |')
  try {
    for (const workers of values.workers.split(',')) console.log(await compare(workspace, workers))
    console.log(await lookUps(workspace))
  } finally {
    if (values.app === undefined) rmSync(workspace, { recursive: true, force: true })
  }
}

/** What a look-up takes within a server that answers visitors, with and without, in turn. */
async function lookUps(workspace: string): Promise<string> {
  const entry = join(workspace, '.next', 'standalone', 'server.js')
  const seen = { true: [] as number[], false: [] as number[] }
  for (let round = 0; round < rounds; round += 1)
    for (const shared of ['true', 'false'] as const) seen[shared].push(await lookUp(entry, shared))
  return `\nA look-up: ${median(seen.true).toFixed(1)} µs with, ${median(seen.false).toFixed(1)} µs without.`
}

async function lookUp(entry: string, shared: string): Promise<number> {
  const appPort = await freePort()
  const program = join(import.meta.dirname, 'cache', 'lookup.ts')
  const env = { ...process.env, NODE_ENV: 'production', PORT: String(appPort), HOSTNAME: '127.0.0.1' }
  const server = fork(program, [entry, shared], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const told = async () => {
    const message = once(server, 'message') as Promise<[number]>
    server.send('tell')
    return (await message)[0]
  }
  try {
    await answering(appPort)
    await rateOf(appPort, WARM_UP)
    await told()
    await rateOf(appPort, seconds)
    return await told()
  } finally {
    const left = once(server, 'exit')
    server.disconnect()
    await left
  }
}

async function compare(workspace: string, workers: string): Promise<string> {
  const rates = { true: [] as number[], false: [] as number[] }
  // The app that was deployed first is slower for minutes, also where both have the same settings.
  for (const order of [
    ['true', 'false'],
    ['false', 'true'],
  ] as const)
    await compareInOrder(workspace, workers, order, rates)
  const [on, off] = [median(rates.true), median(rates.false)]
  return `| ${workers} | ${perSecond(on)} | ${perSecond(off)} | ${(on / off).toFixed(2)} |`
}

async function compareInOrder(
  workspace: string,
  workers: string,
  order: readonly Shared[],
  rates: Record<Shared, number[]>,
): Promise<void> {
  const servers = [await startServer(), await startServer()] as const
  try {
    for (const [index, { inputs }] of servers.entries()) {
      const settings = {
        ...prebuilt,
        observe: '0s',
        'candidate-check': 'false',
        instances: workers,
        'share-cache': order[index]!,
      }
      const { code, log } = await runAction({ workspace, inputs: { ...inputs, ...settings } })
      if (code !== 0) throw new Error(log)
    }
    for (const { appPort } of servers) await warmUp(appPort)
    for (let round = 0; round < rounds; round += 1) {
      // In turns as to which comes first: code becomes faster the more it ran.
      for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const rate = await rateOf(servers[index]!.appPort, seconds)
        rates[order[index]!].push(rate)
        process.stderr.write(`${workers} workers, share-cache ${order[index]!}: ${perSecond(rate)}\n`)
      }
    }
  } finally {
    for (const server of servers) await server.stop()
  }
}

function perSecond(rate: number): string {
  return `${Math.round(rate).toLocaleString('en')} a second`
}

/** Until the app answers no faster than before. */
async function warmUp(port: number): Promise<void> {
  let best = 0
  for (let better = true; better;) {
    const rate = await rateOf(port, WARM_UP)
    better = rate > best * 1.02
    best = Math.max(best, rate)
  }
}

/** @returns answers a second */
async function rateOf(port: number, forSeconds: number): Promise<number> {
  return (await load({ port, path: values.path, keepAlive: true }, CONNECTIONS, forSeconds)).rate
}
