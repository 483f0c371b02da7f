/** One step of the story: a run of the action, under load or not, and whether it went as it should. */
import { Agent } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Load,
  type LoadReport,
  messageOf,
  send,
  startLoad,
  type Visitors,
} from '../__tests__/support/load.ts'
import { runAction, type RunResult } from '../__tests__/support/runner.ts'
import { green, red, say } from './console.ts'
import { startLive } from './live.ts'
import { followPhases } from './phases.ts'
import { stopProcessesIn } from '../scripts/processes.mjs'
import type { Target } from './target.ts'

export interface Stage {
  readonly target: Target
  /** The user's repository. */
  readonly repository: string
  /** Aborts when the demo is to end. */
  readonly interruption: AbortSignal
}

export interface Expected {
  readonly code: number
  readonly status: string
  /** The release that serves in the end; the one that the action names where this is left out. */
  readonly live?: string | undefined
  /** The text that visitors see in the end. */
  readonly text: string
  /** The texts that visitors saw meanwhile. */
  readonly seen: readonly string[]
}

export interface Step {
  readonly name: string
  readonly inputs?: Readonly<Record<string, string>>
  /** Nobody visits where this is left out. */
  readonly visitors?: Visitors
  readonly expected: Expected
}

export interface StepResult {
  readonly name: string
  readonly run: RunResult
  readonly load: LoadReport | undefined
  /** What was expected and what came, for each expectation that did not hold. */
  readonly mismatches: readonly string[]
}

/** Long enough for all visitors to meet the release that serves in the end, in ms. */
const AFTERMATH = 2000

export async function perform(stage: Stage, step: Step): Promise<StepResult> {
  const { target, repository, interruption } = stage
  const load = step.visitors && startLoad(target.url, step.visitors)
  const live = startLive('start', () => (load ? visitorsSoFar(load) : ''))
  const stopAction = () => stopProcessesIn(repository)
  interruption.addEventListener('abort', stopAction)
  let run: RunResult
  let report: LoadReport | undefined
  try {
    run = await runAction({
      inputs: { 'health-check-path': '/api/health', ...target.inputs, ...step.inputs },
      env: target.env,
      workspace: repository,
      onLine: followPhases(live),
    })
    if (load && !interruption.aborted) {
      live.begin('last visitors')
      await delay(AFTERMATH)
    }
  } finally {
    interruption.removeEventListener('abort', stopAction)
    report = await load?.stop()
    live.stop()
  }
  interruption.throwIfAborted()

  const text = await readText(target.url)
  const result = { name: step.name, run, load: report, mismatches: compare(step.expected, run, report, text) }
  tell(result, text)
  return result
}

function compare(
  expected: Expected,
  { code, outputs }: RunResult,
  load: LoadReport | undefined,
  text: string,
): readonly string[] {
  const rows: [what: string, wanted: string, got: string][] = [
    ['exit code', String(expected.code), String(code)],
    ['status', expected.status, outputs['status'] ?? 'none'],
    ['live release', expected.live ?? outputs['release'] ?? 'a release', outputs['live-release'] || 'none'],
    ['text of the page', expected.text, text],
  ]
  if (load) {
    rows.push(['failed requests', '0', String(load.failures.length)])
    rows.push(['texts seen by visitors', list(expected.seen), list(Object.keys(load.releases))])
    const until = load.end === 'stopped' ? 'to the end' : `up to their ${load.end}`
    rows.push(['visitors came', 'to the end', until])
  }
  return rows
    .filter(([, wanted, got]) => wanted !== got)
    .map(([what, wanted, got]) => `${what}: expected ${wanted}, got ${got}`)
}

function list(texts: readonly string[]): string {
  return [...texts].sort().join(' and ') || 'none'
}

async function readText(url: string): Promise<string> {
  const agent = new Agent()
  try {
    return messageOf(await send(url, agent)) ?? 'a page without its text'
  } catch (error) {
    return `no page: ${(error as Error).message}`
  } finally {
    agent.destroy()
  }
}

function visitorsSoFar(load: Load): string {
  const { requests, failed } = load.soFar()
  return `${requests} requests, ${failed} failed`
}

/** The log as a runner shows it: it keeps the lines to itself that name what to mask. */
export function logOf({ log }: RunResult): string {
  return log.replace(/^::add-mask::.*\n?/gm, '')
}

function tell({ run, load, mismatches }: StepResult, text: string): void {
  const { outputs } = run
  const seconds = (Number(outputs['duration-ms'] ?? 0) / 1000).toFixed(1)
  say(`exit ${run.code}, status ${outputs['status']}, live-release ${outputs['live-release']}, ${seconds} s`)
  if (load) {
    const answers = Object.entries(load.releases).map(([message, count]) => `${count} from "${message}"`)
    say(`${load.requests} requests, ${load.failures.length} failed; pages: ${answers.join(', ')}`)
  }
  say(`the page says "${text}"`)
  if (mismatches.length === 0) return say(green('as expected'))
  for (const mismatch of mismatches) say(red(mismatch))
  for (const { kind, path, afterMs, error } of load?.failures.slice(0, 20) ?? []) {
    say(`  ${afterMs} ms: ${kind} ${path}: ${error}`)
  }
  say(`The end of the job's log:\n${logOf(run).trimEnd().split('\n').slice(-40).join('\n')}`)
}
