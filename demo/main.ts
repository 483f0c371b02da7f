/** `npm run demo`: deploys a real app under load, and exits 0 only if no visitor noticed anything. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Failure } from '../src/protocol/failure.ts'
import { bold, green, heading, red, say, table } from './console.ts'
import { startLocalTarget } from './local-target.ts'
import { help, readOptions, type ServerOptions } from './options.ts'
import { openRemoteTarget } from './remote-target.ts'
import type { StepResult } from './step.ts'
import { steps, tellStory } from './story.ts'

const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

async function main(): Promise<number> {
  let options: ReturnType<typeof readOptions>
  try {
    options = readOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`)
    return 2
  }
  if (options === 'help') {
    console.log(help)
    return 0
  }
  if (options === 'local' && process.platform !== 'linux') {
    console.error(
      `The demo's own server needs Linux, as every server of Gapless does. See --help for --host.`,
    )
    return 2
  }
  return play(options)
}

async function play(options: ServerOptions | 'local'): Promise<number> {
  const interruption = interruptible()
  const begun = performance.now()
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'gapless-demo-')))
  const folder = (name: string) => join(root, name)
  const summaries = folder('demo-summaries')
  mkdirSync(summaries)
  console.log(bold('Gapless: what visitors notice of a deploy, a broken release and a rollback'))

  const results: StepResult[] = []
  let finished = false
  try {
    const target = await (options === 'local' ? startLocalTarget(folder('home')) : openRemoteTarget(options))
    try {
      const stage = { target, repository: folder('repository'), summaries, interruption }
      for await (const result of tellStory(stage)) results.push(result)
    } finally {
      heading('Cleaning up')
      await target.remove()
    }
    finished = true
  } catch (error) {
    if (!interruption.aborted) say(red(explain(error)))
  } finally {
    rmSync(folder('repository'), { recursive: true, force: true, maxRetries: 5 })
  }
  if (results.length === 0) {
    rmSync(root, { recursive: true, force: true })
  } else {
    say(`What is kept: the job summaries and logs in ${summaries}`)
    heading('Verdict')
    say(verdictTable(results))
  }
  const passed = finished && steps.every((_, index) => results[index]?.mismatches.length === 0)
  const seconds = Math.round((performance.now() - begun) / 1000)
  say()
  if (passed) say(green(`Everything went as it should, in ${seconds} s.`))
  else say(red(`Not everything went as it should, in ${seconds} s.`))
  return passed ? 0 : (exitCodes[interruption.reason as keyof typeof exitCodes] ?? 1)
}

/** What failed and what to do; an error that nobody foresaw is worth its stack. */
function explain(error: unknown): string {
  if (error instanceof Failure) return [error.message, error.remedy ?? ''].join('\n').trimEnd()
  if (!(error instanceof Error)) return String(error)
  return error.name === 'Error' ? error.message : (error.stack ?? error.message)
}

/** Aborted by the signals that end a program, with the signal's name as the reason. */
function interruptible(): AbortSignal {
  const controller = new AbortController()
  for (const name of Object.keys(exitCodes)) process.on(name, () => controller.abort(name))
  process.on('uncaughtException', (error) => controller.abort(error))
  // Nobody reads any more, as in `npm run demo | head`.
  process.stdout.on('error', (error) => controller.abort(error))
  const { signal } = controller
  signal.addEventListener('abort', () => say(red(`Ended by ${signal.reason}.`)))
  return signal
}

function verdictTable(results: readonly StepResult[]): string {
  const rows = results.map(({ name, run, load, mismatches }) => [
    name,
    String(run.code),
    run.outputs['status'] ?? '',
    run.outputs['live-release'] ?? '',
    `${(Number(run.outputs['duration-ms'] ?? 0) / 1000).toFixed(1)} s`,
    load ? String(load.requests) : '-',
    load ? String(load.failures.length) : '-',
    mismatches.length === 0 ? 'as expected' : 'NOT as expected',
  ])
  return table(['Step', 'Exit', 'Status', 'Live release', 'Took', 'Requests', 'Failed', 'Verdict'], rows)
}

process.exit(await main())
