/**
 * What `share-cache` costs an answer from the cache: the same app twice, with it and without, asked in turn.
 *
 *   npm run bench:cache -- [--workers 1,2,4] [--rounds 6] [--seconds 3] [--path /cached] [--app FOLDER]
 *
 * Prints a Markdown table, and what one look-up into the cache takes by itself. On a machine that others use too the
 * rates are theirs as well: then the look-up says more.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildExample } from '../__tests__/support/builds.ts'
import { runAction } from '../__tests__/support/runner.ts'
import { startServer, type TestServer } from '../__tests__/support/server.ts'

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '1,2,4' },
    rounds: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '3' },
    path: { type: 'string', default: '/cached' },
    app: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const CONNECTIONS = 16
/** In seconds. */
const WARM_UP = 6
/** Of the kernel's clock ticks, in µs (USER_HZ is 100). */
const TICK = 10_000

interface Measured {
  requests: number
  ms: number
  /** Processor time of the workers. */
  cpuUs: number
}

if (values.help)
  console.log(
    'npm run bench:cache -- [--workers 1,2,4] [--rounds 6] [--seconds 3] [--path /cached] [--app FOLDER]',
  )
else await bench()

async function bench(): Promise<void> {
  const workspace = values.app ?? (await builtExample())
  console.log(
    '| workers | `share-cache: true` | `share-cache: false` | processor time of an answer, with and without |',
  )
  console.log('| ---: | ---: | ---: | ---: |')
  try {
    for (const workers of values.workers.split(',')) console.log(await compare(workspace, workers))
    console.log(lookUps(workspace))
  } finally {
    if (values.app === undefined) rmSync(workspace, { recursive: true, force: true })
  }
}

async function builtExample(): Promise<string> {
  const { first, second } = await buildExample()
  second.remove()
  return first.path
}

/** The best of several, in turn: nothing makes a look-up faster than it is. */
function lookUps(workspace: string): string {
  const entry = join(workspace, '.next', 'standalone', 'server.js')
  const program = join(import.meta.dirname, 'cache', 'lookup.ts')
  const best = { true: Infinity, false: Infinity }
  for (let round = 0; round < rounds; round += 1)
    for (const shared of ['true', 'false'] as const) {
      const args = [program, entry, values.path, shared]
      best[shared] = Math.min(
        best[shared],
        Number(execFileSync(process.execPath, args, { encoding: 'utf8' })),
      )
    }
  return `\nA look-up: ${best.true} µs with, ${best.false} µs without.`
}

async function compare(workspace: string, workers: string): Promise<string> {
  const servers = [await startServer(), await startServer()] as const
  const sums = servers.map(() => ({ requests: 0, ms: 0, cpuUs: 0 }))
  try {
    for (const [index, { inputs }] of servers.entries()) {
      const settings = {
        'install-command': 'none',
        'build-command': 'none',
        observe: '0s',
        'candidate-check': 'false',
      }
      const { code, log } = await runAction({
        workspace,
        inputs: { ...inputs, ...settings, instances: workers, 'share-cache': String(index === 0) },
      })
      if (code !== 0) throw new Error(log)
    }
    for (const server of servers) await measure(server, WARM_UP)
    for (let round = 0; round < rounds; round += 1) {
      // In turns as to which comes first: code becomes faster the more it ran.
      for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const server = servers[index]!
        const { requests, ms, cpuUs } = await measure(server, seconds)
        const sum = sums[index]!
        sum.requests += requests
        sum.ms += ms
        sum.cpuUs += cpuUs
        process.stderr.write(
          `${workers} workers, ${index === 0 ? 'with' : 'without'}: ${requests} in ${Math.round(ms)} ms\n`,
        )
      }
    }
  } finally {
    for (const server of servers) await server.stop()
  }
  const rate = ({ requests, ms }: Measured) =>
    `${Math.round((requests * 1000) / ms).toLocaleString('en')} a second`
  const cost = ({ requests, cpuUs }: Measured) => `${Math.round(cpuUs / requests)} µs`
  const [on, off] = sums as [Measured, Measured]
  return `| ${workers} | ${rate(on)} | ${rate(off)} | ${cost(on)}, ${cost(off)} |`
}

async function measure(server: TestServer, forSeconds: number): Promise<Measured> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const begun = performance.now()
  const before = cpuOf(server)
  const until = begun + forSeconds * 1000
  let requests = 0
  const client = async () => {
    while (performance.now() < until) {
      await ask(server, agent)
      requests += 1
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, client))
  agent.destroy()
  return { requests, ms: performance.now() - begun, cpuUs: cpuOf(server) - before }
}

function ask({ appPort: port }: TestServer, agent: http.Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path: values.path, agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`HTTP ${response.statusCode}`))
      response.resume().once('end', resolve)
    })
    request.once('error', reject)
  })
}

/** Of all workers, in µs. */
function cpuOf({ app }: TestServer): number {
  const pids = readdirSync(join(app, '.gapless', 'workers')).flatMap(
    (name) => /^(\d+)\.json$/.exec(name)?.[1] ?? [],
  )
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK
  }, 0)
}
