/**
 * A site under load that is deployed to while things die: a real sshd, PM2 and Next.js app. Faults are brought about
 * at moments that the journal tells; the product has no hooks.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { orphansIn } from '../../src/agent/pm2/orphans.ts'
import { readWorkers } from '../../src/agent/pm2/workers.ts'
import { activatedAt } from '../../src/agent/store/releases.ts'
import { layoutOf, releaseDirectory, releaseFiles } from '../../src/agent/store/layout.ts'
import { checkIntegrity } from '../../src/agent/store/integrity.ts'
import type { ActivationStep } from '../../src/protocol/messages.ts'
import { buildOfExample } from '../support/builds.ts'
import { daemonPid } from '../support/daemon-pid.ts'
import { type Load, startLoad } from '../support/load.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { mayMount } from '../support/test-mounts.ts'
import { until } from '../support/until.ts'
import { sabotage, type Workspace } from '../support/workspace.ts'

/** Roomy: a test takes away what is free when it wants a full one. */
export const DISK = 'size=600m'

/** What the runs of a step deploy, by the message on the pages. */
export type Version = 'first' | 'second' | 'dying'

export interface Site {
  /** How many the app has. */
  readonly workers: number
  readonly server: TestServer
  readonly proxy: Proxy
  readonly workspaces: Readonly<Record<Version, Workspace>>
  run(version: Version, options?: RunOptions): Promise<RunResult>
  /** What post makes of a run that was cut off. */
  post(version: Version, run: RunResult, options?: RunOptions): Promise<RunResult>
  journal(): string
  /** Waits until the journal has that a step began, in what comes after the first `from` characters. */
  begins(step: ActivationStep, from: number): Promise<void>
  /** The process of the activation that runs now, if there is one. */
  activation(): number | undefined
  daemon(): number
  load(): Load
  stop(): Promise<void>
}

interface RunOptions {
  readonly inputs?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => void
}

/** Dies under PM2 after it has passed as a candidate. */
const DYING = `if (process.env.pm_id !== undefined) setTimeout(() => process.exit(1), 300)`
const prebuilt = {
  'install-command': 'none',
  'build-command': 'none',
  observe: '1s',
  'health-check-interval': '200ms',
  'pre-activate': 'sleep 0.2',
  'post-activate': 'sleep 0.2',
}

interface SiteOptions {
  readonly workers?: number
  /** The server's Node.js, and which of the installed PM2 packages it has. */
  readonly node?: string
  readonly pm2Package?: string
}

export async function startSite({ workers = 2, ...options }: SiteOptions = {}): Promise<Site> {
  const server = await startServer({ disk: mayMount ? DISK : undefined, ...options })
  const proxy = await startProxy(server.sshd.port)
  const inputs = { ...server.inputs, ...prebuilt, instances: String(workers) }
  const first = await buildOfExample('first')
  const second = await buildOfExample('second')
  const workspaces = { first, second, dying: sabotage(second.copyBuilt(), DYING) }

  const own = join(server.app, '.gapless')
  const journal = () => {
    const file = join(own, 'journal.jsonl')
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }
  const run = (version: Version, options: RunOptions = {}, more: object = {}) =>
    runAction({
      workspace: workspaces[version].path,
      inputs: { ...inputs, ...options.inputs },
      env: { GITHUB_SHA: version, ...options.env },
      onStart: (child) => options.onStart?.((signal) => void child.kill(signal)),
      ...more,
    })
  const site: Site = {
    workers,
    server,
    proxy,
    workspaces,
    run: (version, options) => run(version, options),
    post: (version, { state }, options) => run(version, options, { step: 'post', state }),
    journal,
    async begins(step, from) {
      const wanted = `"step":"${step}","state":"begin"`
      await until(`${step} begins`, () => journal().slice(from).includes(wanted), 60_000)
    },
    activation() {
      // Those that were killed leave their files for a minute.
      return readdirSync(join(own, 'activations'))
        .filter((name) => name.endsWith('.owner'))
        .map((name) => JSON.parse(readFileSync(join(own, 'activations', name), 'utf8')) as { pid: number })
        .map(({ pid }) => pid)
        .find((pid) => existsSync(`/proc/${pid}`))
    },
    daemon: () => daemonPid(server),
    load: () => startLoad(server.url, { keepAlive: 4, fresh: 2, post: 2, stream: 1 }),
    async stop() {
      await proxy.stop()
      await server.stop()
      for (const workspace of Object.values(workspaces)) workspace.remove()
    },
  }
  const begun = await site.run('first')
  if (begun.code !== 0) throw new Error(begun.log)
  return site
}

/** What a run said of itself at its end, or post after it. */
export interface Said {
  readonly code: number | null
  readonly status: string
  readonly live: string
  readonly log: string
}

export function saidBy({ code, outputs, log, summary }: RunResult): Said {
  return {
    code,
    status: outputs['status'] ?? '',
    live: outputs['live-release'] ?? '',
    log: `${log}\n${summary}`,
  }
}

/** The version that a release on the server is. */
export function versionOf({ server }: Site, release: string): Version {
  const { info } = releaseFiles(releaseDirectory(layoutOf(server.app), release))
  return (JSON.parse(readFileSync(info, 'utf8')) as { commit: Version }).commit
}

/** What visitors get, on new connections: all of them the same, or it is no answer. */
async function served({ server }: Site): Promise<string | null> {
  const answers = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const answer = await fetch(`${server.url}/api/release`, { headers: { connection: 'close' } })
      return ((await answer.json()) as { message: string }).message
    }),
  ).catch(() => [])
  return new Set(answers).size === 1 ? answers[0]! : null
}

/**
 * What is wrong with how it ended; nothing, where all is well.
 * @param before the release that was live when it began
 */
export async function lies(site: Site, said: Said, version: Version, before: string): Promise<string[]> {
  const found: string[] = []
  const expect = (what: string, is: unknown, should: unknown) => {
    if (is !== should) found.push(`${what}: ${String(is)}, not ${String(should)}`)
  }
  const layout = layoutOf(site.server.app)
  const current = site.server.current()
  if (current === null) return ['`current` points nowhere']
  await checkIntegrity(layout, current).then(
    ({ repaired, changed }) => found.push(...[...repaired, ...changed].map((path) => `${path} is damaged`)),
    (error: unknown) => found.push((error as Error).message),
  )
  if ((await activatedAt(layout, current)) === null) found.push(`${current} was never verified`)

  expect('the exit code', said.code, said.status === 'live' ? 0 : 1)
  expect('live-release', said.live, current)
  if (said.status === 'live') expect('the version that is live', versionOf(site, current), version)
  else if (said.status === 'kept' || said.status === 'restored') expect('`current`', current, before)
  else found.push(`the status: ${said.status}`)
  const asked = await served(site)
  const expected = versionOf(site, current)
  // The dying version differs from the second only in its server.js.
  expect('what is served', asked, expected === 'dying' ? 'second' : expected)
  return found
}

/** What has piled up, after the last deploy has ended. */
export async function leftovers(site: Site): Promise<string[]> {
  const { server } = site
  const layout = layoutOf(server.app)
  const found: string[] = []
  const list = (folder: string, wanted: (name: string) => boolean) => {
    for (const name of readdirSync(folder)) if (wanted(name)) found.push(join(folder, name))
  }
  list(layout.own, (name) => name.startsWith('current-to-') || name === 'activation.json')
  list(layout.activations, () => true)
  list(layout.incoming, () => true)
  if (readdirSync(layout.lock).length > 1) list(layout.lock, () => true)
  const workers = await until(
    'the old workers have left',
    async () => {
      const records = await readWorkers(layout.workers)
      return records.length === site.workers && orphansIn(records).length === 0 ? records : null
    },
    60_000,
  ).catch(async () => readWorkers(layout.workers))
  for (const { pid } of orphansIn(workers)) found.push(`worker ${pid} (orphaned)`)
  for (const { pid, phase } of workers.slice(site.workers)) found.push(`worker ${pid} (${phase})`)
  const processes = await server.pm2List()
  for (const { pm_id, pm2_env } of processes) {
    if (pm2_env.status !== 'online') found.push(`PM2's process ${pm_id} (${pm2_env.status})`)
  }
  if (processes.length !== site.workers) found.push(`${processes.length} processes of PM2's`)
  return found
}

/** Leftovers of the dead stay for a minute, in case their owner is about to say so: makes them older than that. */
export function letAMinutePass({ server }: Site): void {
  const layout = layoutOf(server.app)
  const past = new Date(Date.now() - 120_000)
  for (const folder of [layout.activations, layout.incoming]) {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name)
      if (!lstatSync(path).isSymbolicLink()) utimesSync(path, past, past)
    }
  }
}
