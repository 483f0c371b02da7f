/** `npm run demo`: deploys a real app under load, and exits 0 only if no visitor noticed anything. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { summaryPage } from '../scripts/summary-page.mjs'
import { formatDuration } from '../src/common/format.ts'
import { Failure } from '../src/common/failure.ts'
import { bold, green, heading, red, say, table } from './console.ts'
import { startLocalTarget } from './local-target.ts'
import { help, readOptions, type ServerOptions } from './options.ts'
import { startLive } from './live.ts'
import { openRemoteTarget } from './remote-target.ts'
import { logOf, type StepResult } from './step.ts'
import { steps, tellStory } from './story.ts'
import type { Target } from './target.ts'

/** Where the demo's results are kept: in the project, which ignores the folder. */
const results = join(import.meta.dirname, '..', 'build', 'demo')

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
  // Whatever the action and the build put into the temporary folder goes with the demo's own.
  process.env['TMPDIR'] = join(root, 'tmp')
  mkdirSync(process.env['TMPDIR'])
  console.log(bold('Gapless: what visitors notice of a deploy, a broken release and a rollback'))

  const done: StepResult[] = []
  let finished = false
  try {
    const home = join(root, 'home')
    const target = await (options === 'local' ? startLocalTarget(home) : openRemoteTarget(options))
    try {
      const stage = { target, repository: join(root, 'repository'), interruption }
      for await (const result of tellStory(stage)) done.push(result)
    } finally {
      await cleanUp(target)
    }
    finished = true
  } catch (error) {
    if (!interruption.aborted) say(red(explain(error)))
  } finally {
    rmSync(root, { recursive: true, force: true, maxRetries: 5 })
  }
  const passed = finished && steps.every((_, index) => done[index]?.mismatches.length === 0)
  if (!interruption.aborted && done.length > 0) show(done)
  const took = formatDuration(performance.now() - begun)
  say()
  if (passed) say(green(`Everything went as expected, in ${took}.`))
  else say(red(`Not everything went as expected, in ${took}.`))
  return passed ? 0 : (exitCodes[interruption.reason as keyof typeof exitCodes] ?? 1)
}

async function cleanUp(target: Target): Promise<void> {
  heading('Cleaning up')
  const live = startLive('clean up')
  await target.remove().finally(() => live.stop())
}

/** Prints the table, and keeps the job summaries as one page and the logs beside it. */
function show(done: readonly StepResult[]): void {
  heading('Result')
  say(resultTable(done))
  rmSync(results, { recursive: true, force: true })
  mkdirSync(results, { recursive: true })
  const page = join(results, 'summaries.html')
  const title = 'Gapless demo: the job summaries'
  writeFileSync(
    page,
    summaryPage(
      title,
      done.map(({ name, run }) => `# ${name}\n\n${run.summary}`),
    ),
  )
  for (const { name, run } of done) {
    writeFileSync(join(results, `${name.replaceAll(' ', '-')}.log`), logOf(run))
  }
  say()
  say(`The job summaries, as GitHub shows them: ${pathToFileURL(page).href}`)
  say(`The logs of the runs: ${pathToFileURL(results).href}`)
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

function resultTable(done: readonly StepResult[]): string {
  const rows = done.map(({ name, run, load, mismatches }) => [
    name,
    run.outputs['status'] ?? '',
    (Number(run.outputs['duration-ms'] ?? 0) / 1000).toFixed(1),
    load ? String(load.requests) : '-',
    load ? String(load.failures.length) : '-',
    load ? formatDuration(load.slowestMs) : '-',
    mismatches.length === 0 ? 'as expected' : 'NOT as expected',
  ])
  return table(['Step', 'Status', 'Seconds', 'Requests', 'Failed', 'Slowest answer', 'Verdict'], rows)
}

process.exit(await main())
