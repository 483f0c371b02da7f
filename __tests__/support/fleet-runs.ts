/** What tests of several hosts do: run the action for all of them, have visitors, and trip it at a certain moment. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import type { Fleet, FleetHost } from './fleet.ts'
import { type LoadReport, startLoad, type Visitors } from './load.ts'
import { runAction, type RunOptions, type RunResult } from './runner.ts'
import { until } from './until.ts'
import { sabotage, type Workspace } from './workspace.ts'

const quick = {
  'install-command': 'none',
  'build-command': 'none',
  'health-check-timeout': '8s',
  instances: '1',
  observe: '200ms',
  // Old workers wait for polite clients that much shorter, and the next run for them.
  env: 'KEEP_ALIVE_TIMEOUT=1000',
}

export type Inputs = Readonly<Record<string, string>>

/** Runs the action for all hosts, with what is built already, unless the inputs say otherwise. */
export function runOnFleet(
  { inputs: common }: Fleet,
  workspace: Pick<Workspace, 'path'>,
  inputs: Inputs = {},
  options: Partial<RunOptions> = {},
): Promise<RunResult> {
  return runAction({ workspace: workspace.path, inputs: { ...common, ...quick, ...inputs }, ...options })
}

/** Green exactly when it is live, and with these outputs. */
export function expectRun(result: RunResult, expected: Readonly<Record<string, unknown>>): void {
  const { code, outputs, log } = result
  const green = expected['status'] === 'live'
  const asExpected = (code === 0) === green && outputs['status'] === expected['status']
  expect({ code, ...outputs, log: asExpected ? '' : log }).toMatchObject({
    code: green ? 0 : 1,
    log: '',
    ...expected,
  })
}

/** Does something while visitors come to all of these URLs, and expects that none of them notices. */
export async function underLoad<T>(
  urls: readonly string[],
  visitors: Visitors,
  act: () => Promise<T>,
): Promise<T> {
  const loads = urls.map((url) => startLoad(url, visitors))
  const stopped = () => Promise.all(loads.map((load) => load.stop()))
  const result = await act().catch(async (error: unknown) => {
    await stopped()
    throw error
  })
  const reports: readonly LoadReport[] = await stopped()
  expect(reports.flatMap(({ failures }) => failures)).toEqual([])
  for (const { requests } of reports) expect(requests).toBeGreaterThan(20)
  return result
}

export async function messageAt(url: string): Promise<string> {
  return ((await (await fetch(`${url}/api/release`)).json()) as { message: string }).message
}

export function journalOf({ app }: FleetHost): string {
  const file = join(app, '.gapless', 'journal.jsonl')
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

/** Begins a deploy, and does something at the moment when a host's journal says, for the nth time, that a step began. */
export async function deployUntil(
  fleet: Fleet,
  workspace: Workspace,
  { host, step, times = 1 }: { host: FleetHost; step: string; times?: number },
  act: (kill: (signal: NodeJS.Signals) => void) => void | Promise<void>,
): Promise<RunResult> {
  const from = journalOf(host).length
  let kill: (signal: NodeJS.Signals) => void = () => undefined
  let ended = false
  const running = runOnFleet(
    fleet,
    workspace,
    {},
    { onStart: (child) => (kill = (signal) => void child.kill(signal)) },
  )
  void running.then(() => (ended = true))
  const begun = () => journalOf(host).slice(from).split(`"step":"${step}","state":"begin"`).length > times
  await until(`${step} begins on ${host.address}`, () => ended || begun(), 90_000)
  if (ended) throw new Error((await running).log)
  await act(kill)
  return running
}

/** A release that dies under PM2 on the hosts that are marked. */
export function dyingWhereMarked(built: Workspace): Workspace {
  const file = `require('node:path').resolve(__dirname, '../../../../dies-here')`
  return sabotage(
    built.copyBuilt(),
    `if (process.env.pm_id !== undefined && require('node:fs').existsSync(${file})) throw new Error('not on this host')`,
  )
}

export async function whileMarked<T>({ home }: FleetHost, act: () => Promise<T>): Promise<T> {
  const mark = join(home, 'dies-here')
  writeFileSync(mark, '')
  try {
    return await act()
  } finally {
    rmSync(mark)
  }
}
