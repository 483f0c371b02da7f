/**
 * What visitors notice of deploys: the same load on the same app, deployed by `pm2 restart`, by the recipe of
 * the blog posts (swap the link, `pm2 reload`) and by Gapless, one after the other in one run.
 *
 *   npm run bench:gap -- [--activations 10] [--workers 1,2,4,8] [--observe 5s] [--only gapless]
 *
 * Prints two Markdown tables: what visitors notice, and where an activation's time goes. All three alternate between the same two releases of the example app; Gapless does
 * so by its rollback command, which is the same verify → swap → reload → health-check as a deploy.
 */
import { cpSync, mkdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildExample } from '../__tests__/support/builds.ts'
import { type LoadReport, startLoad } from '../__tests__/support/load.ts'
import { prebuilt, runAction } from '../__tests__/support/runner.ts'
import { startServer, type TestServer } from '../__tests__/support/server.ts'
import { until } from '../__tests__/support/until.ts'
import type { Workspace } from '../__tests__/support/workspace.ts'
import { median } from './median.ts'

const { values } = parseArgs({
  options: {
    activations: { type: 'string', default: '10' },
    workers: { type: 'string', default: '2' },
    observe: { type: 'string', default: '5s' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const activations = Number(values.activations)
const workerCounts = values.workers.split(',').map(Number)
const visitors = { busy: 4, keepAlive: 8, fresh: 4, post: 4, stream: 2 }
const limits = { maxMs: 60 * 60_000, maxRequests: 5_000_000 }

interface Setting {
  readonly server: TestServer
  readonly releases: readonly [Workspace, Workspace]
  readonly workers: number
}

/** Switches to the other release. @returns how long it took from the swap to the end, in ms */
type Activate = () => Promise<number>

/** The parts of an activation, in the order in which they happen, as its journal tells them apart. */
const parts = [
  { name: 'swap', from: 'swap' },
  { name: 'boot, and `observe` behind the closed door', from: 'reload' },
  { name: '`observe` under traffic, then the old workers leave', from: 'health-check' },
  { name: 'record the verdict', from: 'end' },
] as const

/** How long each part took in each activation of Gapless, in ms, by the number of workers. */
const spentOn = new Map<number, number[][]>()

interface Contender {
  readonly name: string
  /** Brings the first release up. */
  prepare(setting: Setting): Promise<Activate>
}

const contenders: Readonly<Record<string, Contender>> = {
  restart: { name: '`pm2 restart`', prepare: (setting) => recipe(setting, 'restart') },
  reload: {
    name: 'swap the link, `pm2 reload`',
    prepare: (setting) => recipe(setting, 'reload'),
  },
  gapless: { name: 'Gapless', prepare: gapless },
}

if (values.help) {
  console.log(
    'npm run bench:gap -- [--activations 10] [--workers 1,2,4,8] [--observe 5s] [--only restart|reload|gapless]',
  )
} else {
  await bench()
}

async function bench(): Promise<void> {
  const { first, second } = await buildExample()
  const releases = [first, second] as const
  const rows: string[] = []
  try {
    for (const workers of workerCounts) {
      for (const [key, contender] of Object.entries(contenders)) {
        if (values.only === undefined || values.only === key)
          rows.push(await measure(contender, releases, workers))
      }
    }
  } finally {
    for (const release of releases) release.remove()
  }
  console.log(`\nNext.js 16, ${activations} activations each, Node ${process.versions.node}:\n`)
  console.log(
    '| workers | deployed by | requests | failed | slowest answer | longest time without an answer | from the swap to the end |',
  )
  console.log('| ---: | --- | ---: | ---: | ---: | ---: | ---: |')
  console.log(rows.join('\n'))
  if (spentOn.size > 0) printParts()
}

function printParts(): void {
  console.log(`\nWhere an activation’s time goes, with \`observe: ${values.observe}\` (medians):\n`)
  console.log(`| workers | ${parts.map(({ name }) => name).join(' | ')} |`)
  console.log(`| ---: |${parts.map(() => ' ---: |').join('')}`)
  for (const [workers, all] of spentOn) {
    const cells = parts.map((_, part) => `${(median(all.map((spent) => spent[part]!)) / 1000).toFixed(2)} s`)
    console.log(`| ${[workers, ...cells].join(' | ')} |`)
  }
}

async function measure(
  { name, prepare }: Contender,
  releases: readonly [Workspace, Workspace],
  workers: number,
): Promise<string> {
  const server = await startServer()
  try {
    const activate = await prepare({ server, releases, workers })
    const load = startLoad(server.url, visitors, limits)
    let spent = 0
    for (let index = 0; index < activations; index += 1) {
      spent += await activate()
      process.stderr.write(`${name}, ${workers} workers: ${index + 1} of ${activations}\n`)
    }
    return row(name, workers, await load.stop(), spent / activations)
  } finally {
    await server.stop()
  }
}

function row(
  name: string,
  workers: number,
  { requests, failures, slowestMs, longestSilenceMs }: LoadReport,
  perActivation: number,
): string {
  const cells = [
    workers,
    name,
    requests,
    failures.length,
    `${slowestMs} ms`,
    `${longestSilenceMs} ms`,
    `${(perActivation / 1000).toFixed(1)} s`,
  ]
  for (const { kind, error } of failures.slice(0, 3)) process.stderr.write(`  ${kind}: ${error}\n`)
  return `| ${cells.join(' | ')} |`
}

/** The recipe: two releases, a link, and PM2 on what the link points at. */
async function recipe(
  { server, releases, workers }: Setting,
  command: 'restart' | 'reload',
): Promise<Activate> {
  const app = join(server.home, 'recipe')
  mkdirSync(app)
  releases.forEach(({ path }, index) => {
    const release = join(app, `release-${index}`)
    cpSync(join(path, '.next', 'standalone'), release, { recursive: true, verbatimSymlinks: true })
    cpSync(join(path, '.next', 'static'), join(release, '.next', 'static'), { recursive: true })
    cpSync(join(path, 'public'), join(release, 'public'), { recursive: true })
  })
  let turn = 0
  const swap = () => {
    symlinkSync(`release-${turn % 2}`, join(app, 'next'))
    renameSync(join(app, 'next'), join(app, 'current'))
    turn += 1
  }
  swap()
  const env = { PORT: String(server.appPort), HOSTNAME: '127.0.0.1' }
  const script = join(app, 'current', 'server.js')
  await server.pm2With(
    env,
    'start',
    script,
    '--name',
    'next-app',
    '-i',
    String(workers),
    '--cwd',
    join(app, 'current'),
  )
  await untilServing(server)
  return async () => {
    const begun = performance.now()
    swap()
    await server.pm2(command, 'next-app')
    return performance.now() - begun
  }
}

async function gapless({ server, releases, workers }: Setting): Promise<Activate> {
  const inputs = {
    ...server.inputs,
    instances: String(workers),
    observe: values.observe,
    ...prebuilt,
  }
  const ids: string[] = []
  for (const { path } of releases) {
    const { code, outputs, log } = await runAction({ workspace: path, inputs })
    if (code !== 0) throw new Error(log)
    ids.push(outputs['release']!)
  }
  await untilServing(server)
  let turn = 0
  return async () => {
    const release = ids[turn % 2]!
    turn += 1
    const { code, outputs, log } = await runAction({
      workspace: releases[0].path,
      inputs: { ...inputs, command: 'rollback', release },
    })
    if (code !== 0 || outputs['live-release'] !== release) throw new Error(log)
    const spent = lastActivation(server)
    spentOn.set(workers, [...(spentOn.get(workers) ?? []), spent])
    return spent.reduce((total, part) => total + part, 0)
  }
}

/** How long each part took from the swap to the verdict, in ms, as the server's own journal has it. */
function lastActivation(server: TestServer): number[] {
  const entries = readFileSync(join(server.app, '.gapless', 'journal.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { time: string; step: string | null; state: string })
  const at = (wanted: string, how: string) =>
    Date.parse(entries.findLast(({ step, state }) => step === wanted && state === how)!.time)
  const verdict = Date.parse(entries.findLast(({ state }) => state === 'verdict')!.time)
  const starts = parts.map(({ from }) => (from === 'end' ? at('health-check', 'done') : at(from, 'begin')))
  return starts.map((start, index) => (starts[index + 1] ?? verdict) - start)
}

async function untilServing(server: TestServer): Promise<void> {
  await until(
    'the app answers',
    async () =>
      fetch(`${server.url}/api/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    60_000,
  )
}
