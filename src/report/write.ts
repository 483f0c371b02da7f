/** Writes a report where GitHub looks for it: summary, annotation, log and outputs. */
import { appendFileSync, statSync } from 'node:fs'
import * as core from '@actions/core'
import { failure } from '../common/errors/run.ts'
import type { JobLog } from './log.ts'
import { problemOf } from './problem.ts'
import { sentence } from './sentence.ts'
import { renderSummary, type Report } from './summary.ts'

/**
 * Takes the secrets out of the report, then writes it. People read the summary and the log: they come before the outputs,
 * which a full disk may refuse.
 * @returns whether every output could be written; the step fails otherwise
 */
export function writeReport(found: Report, log: JobLog): boolean {
  const report = log.redact(found)
  const { command, outcome } = report
  appendSummary(report, process.env['GITHUB_STEP_SUMMARY'], log)
  if (outcome.failure !== null) log.error(outcome.failure)
  log.info(sentence(outcome, command))
  return setOutputs(report, log)
}

/** A summary that cannot be written must not hide a deploy. */
function appendSummary(report: Report, file: string | undefined, log: JobLog): void {
  // Gitea and act have no summary, and give it an empty name.
  if (file === undefined || file === '') {
    log.info('This runner has no job summary: GITHUB_STEP_SUMMARY is not set.')
    return
  }
  const problem = problemOf(() => {
    const taken = statSync(file, { throwIfNoEntry: false })?.size
    appendFileSync(file, renderSummary(report, taken))
  })
  if (problem !== null) log.warning(`Could not write the job summary: ${problem}`)
}

function setOutputs({ outcome, url, durationMs }: Report, log: JobLog): boolean {
  const outputs = {
    status: outcome.status,
    release: outcome.release ?? '',
    'previous-release': outcome.previousRelease ?? '',
    'live-release': outcome.liveRelease ?? '',
    'uploaded-bytes': String(outcome.uploadedBytes),
    url: url ?? '',
    'duration-ms': String(durationMs),
  }
  const missing = Object.entries(outputs).flatMap(([name, value]) => {
    const problem = problemOf(() => core.setOutput(name, value))
    return problem === null ? [] : [{ name, problem }]
  })
  if (missing.length === 0) return true
  const names = missing.map(({ name }) => name).join(', ')
  log.error(failure('outputs-unwritten', { names, problem: missing[0]!.problem }))
  return false
}
