/** Writes a report where GitHub looks for it: outputs, summary, annotation, exit code. */
import { randomBytes } from 'node:crypto'
import { appendFileSync, statSync } from 'node:fs'
import * as core from '@actions/core'
import type { Log } from '../pipeline.ts'
import { sentence } from './sentence.ts'
import { renderSummary, type Report } from './summary.ts'
import { type Redact, redactor } from './redactor.ts'
import { visible } from './text.ts'

/** In characters. */
const LONGEST_DEBUG = 4000

/** The job's log. One line each: what a server says must not become a workflow command. */
export const jobLog: Log = {
  mask: core.setSecret,
  remember: (release) => core.saveState('release', release),
  info: (line) => core.info(withoutCommands(visible(line).replace(/\s*\n+\s*/g, ' '))),
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
  core.saveState('finished', 'true')
}

/** Tells the post step which activation this run may begin. */
export function rememberActivation(id: string): void {
  core.saveState('activation', id)
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

export function writeReport(report: Report): void {
  const { command, outcome, durationMs } = report
  core.setOutput('status', outcome.status)
  core.setOutput('release', outcome.release ?? '')
  core.setOutput('previous-release', outcome.previousRelease ?? '')
  core.setOutput('live-release', outcome.liveRelease ?? '')
  core.setOutput('uploaded-bytes', String(outcome.uploadedBytes))
  core.setOutput('duration-ms', String(durationMs))

  appendSummary(report, process.env['GITHUB_STEP_SUMMARY'])
  const { failure } = outcome
  if (failure !== null) {
    if (failure.evidence !== undefined && failure.evidence.trim() !== '') {
      // The app's own words: whatever looks like a workflow command in them must not be one.
      const token = `stop-${randomBytes(16).toString('hex')}`
      core.info(`::stop-commands::${token}\n${visible(failure.evidence)}\n::${token}::`)
    }
    core.error(
      visible(
        `${asSentence(failure.message)}${failure.remedy === undefined ? '' : ` ${asSentence(failure.remedy)}`}`,
      ),
      {
        title: `Gapless: ${failure.code}`,
      },
    )
  }
  core.info(sentence(outcome, command))
}

/** A summary that cannot be written is no reason to hide a deploy. */
function appendSummary(report: Report, file: string | undefined): void {
  if (file === undefined) return
  try {
    const taken = statSync(file, { throwIfNoEntry: false })?.size
    appendFileSync(file, renderSummary(report, taken))
  } catch (error) {
    core.warning(`the job summary could not be written: ${(error as Error).message}`)
  }
}

function asSentence(text: string): string {
  return /[.!?:]$/.test(text) ? text : `${text}.`
}
