/** Writes a report where GitHub looks for it: outputs, summary, annotation, exit code. */
import { randomBytes } from 'node:crypto'
import { appendFileSync, statSync } from 'node:fs'
import * as core from '@actions/core'
import type { Log } from '../pipeline.ts'
import { Failure } from '../common/failure.ts'
import { sentence } from './sentence.ts'
import { renderSummary, type Report } from './summary.ts'
import { type Redact, redactor } from './redactor.ts'
import { visible } from './text.ts'

/** In characters. */
const LONGEST_DEBUG = 4000

/** With the blanks around them. Begins where a run of blanks does: from each of its characters, it would take quadratic time. */
const LINE_BREAKS = /(?<!\s)\s*\n\s*/g

/** The job's log. One line each: what a server says must not become a workflow command. */
export const jobLog: Log = {
  mask: core.setSecret,
  remember: (release) =>
    saveState(
      'release',
      release,
      'if this job is cancelled, the post step may not know that it had begun to switch',
    ),
  info: (line) => core.info(withoutCommands(visible(line).replace(LINE_BREAKS, ' '))),
  warning: (line) => core.warning(visible(line)),
  annotate: (message, { file, line, column }) =>
    core.error(visible(message), {
      title: 'Gapless: build-failed',
      file,
      ...(line === undefined ? {} : { startLine: line }),
      ...(column === undefined ? {} : { startColumn: column }),
    }),
  debug: (line) => {
    // The runner drops it where `ACTIONS_STEP_DEBUG` is not set: to make the lines costs time.
    if (core.isDebug()) core.debug(visible(line()).slice(0, LONGEST_DEBUG))
  },
  group: core.startGroup,
  endGroup: core.endGroup,
}

/** A runner takes `::` for a command after any white space of .NET's, and the older `##[` anywhere (actions/runner). */
function withoutCommands(line: string): string {
  return line.replace(/^[\s\u0085]*(?=::)/, '| ').replaceAll('##[', '## [')
}

export interface Masks {
  /** Masks what is known by now, everywhere but in the runner's log. */
  readonly redact: Redact
  /** For what becomes known in the course of a run. */
  add(secret: string): void
}

/** Has the runner mask the secrets in its log. */
export function maskSecrets(secrets: readonly string[]): Masks {
  const known = [...secrets]
  for (const secret of known) core.setSecret(secret)
  let redact = redactor(known)
  return {
    redact: (text) => redact(text),
    add(secret) {
      core.setSecret(secret)
      known.push(secret)
      redact = redactor(known)
    },
  }
}

/** Tells the post step that the run ended by itself and has reported. */
export function markFinished(): void {
  saveState('finished', 'true', 'the post step may take this run for one that was cut off')
}

/** Tells the post step which activation this run may begin. */
export function rememberActivation(id: string): void {
  saveState('activation', id, 'if this job is cancelled, the post step cannot tell how the run ended')
}

/** What post does not learn is no reason to end a deploy: the server finishes it all the same. */
function saveState(name: string, value: string, otherwise: string): void {
  const problem = problemOf(() => core.saveState(name, value))
  if (problem !== null)
    core.warning(visible(`the state of this step could not be saved (${problem}): ${otherwise}`))
}

/** The activation that a run which was cut off may have begun, or undefined. */
export function rememberedActivation(): string | undefined {
  return core.getState('activation') || undefined
}

/** The release that it was about to make live; undefined where it had not come that far. */
export function rememberedRelease(): string | undefined {
  return core.getState('release') || undefined
}

export function isFinished(): boolean {
  return core.getState('finished') === 'true'
}

/**
 * What people read comes first: outputs that cannot be written, on a full disk, must not hide how the run ended.
 * @returns whether every output could be written; the step is red otherwise
 */
export function writeReport(report: Report): boolean {
  const { command, outcome } = report
  appendSummary(report, process.env['GITHUB_STEP_SUMMARY'])
  if (outcome.failure !== null) annotate(outcome.failure)
  core.info(sentence(outcome, command))
  return setOutputs(report)
}

function annotate({ code, message, remedy, evidence = '' }: Failure): void {
  if (evidence.trim() !== '') {
    // The app's own words: whatever looks like a workflow command in them must not be one.
    const token = `stop-${randomBytes(16).toString('hex')}`
    core.info(`::stop-commands::${token}\n${visible(evidence)}\n::${token}::`)
  }
  const next = remedy === undefined ? '' : ` ${asSentence(remedy)}`
  core.error(visible(`${asSentence(message)}${next}`), { title: `Gapless: ${code}` })
}

function setOutputs({ outcome, durationMs }: Report): boolean {
  const outputs = {
    status: outcome.status,
    release: outcome.release ?? '',
    'previous-release': outcome.previousRelease ?? '',
    'live-release': outcome.liveRelease ?? '',
    'uploaded-bytes': String(outcome.uploadedBytes),
    'duration-ms': String(durationMs),
  }
  const missing = Object.entries(outputs).flatMap(([name, value]) => {
    const problem = problemOf(() => core.setOutput(name, value))
    return problem === null ? [] : [{ name, problem }]
  })
  if (missing.length === 0) return true
  const names = missing.map(({ name }) => name).join(', ')
  const failure = new Failure(
    'outputs-unwritten',
    `The runner could not keep the outputs ${names}: ${missing[0]!.problem}`,
    {
      remedy:
        'The run itself ended as the log says; the step fails because whoever reads its outputs would be misled.',
    },
  )
  annotate(failure)
  return false
}

/** A summary that cannot be written is no reason to hide a deploy. */
function appendSummary(report: Report, file: string | undefined): void {
  // Gitea and act keep none, and say so by an empty name.
  if (file === undefined || file === '') {
    core.info('This runner has no job summary: GITHUB_STEP_SUMMARY is not set.')
    return
  }
  const problem = problemOf(() => {
    const taken = statSync(file, { throwIfNoEntry: false })?.size
    appendFileSync(file, renderSummary(report, taken))
  })
  if (problem !== null) core.warning(visible(`the job summary could not be written: ${problem}`))
}

/** Why something could not be written, or null. */
function problemOf(write: () => void): string | null {
  try {
    write()
    return null
  } catch (error) {
    return (error as Error).message
  }
}

function asSentence(text: string): string {
  return /[.!?:]$/.test(text) ? text : `${text}.`
}
