/**
 * The one writer of the job's log. Everything that this action prints passes through `shown`: secrets are taken out, and
 * control characters are replaced. A line never becomes a workflow command.
 */
import { randomBytes } from 'node:crypto'
import * as core from '@actions/core'
import type { Failure } from '../common/failure.ts'
import type { Log } from '../pipeline.ts'
import { redactAll } from './redact.ts'
import { redactor } from './redactor.ts'
import { remember } from './state.ts'
import { asSentence, visible } from './text.ts'

/** In characters. */
const LONGEST_DEBUG = 4000

/** With the blanks around them. Only the first blank of a run may begin a match: any blank would take quadratic time. */
const LINE_BREAKS = /(?<!\s)\s*\n\s*/g

export interface JobLog extends Log {
  /** Masks the secrets in the runner's log, in this log and in reports. @param words never masked where they stand alone */
  maskAll(secrets: readonly string[], words: readonly string[]): void
  /** Returns a copy of `data` that may be shown: no string in it has a secret. */
  redact<T>(data: T): T
  /** Annotates the run with the failure, and prints its evidence. */
  error(failure: Failure): void
}

export function createJobLog(): JobLog {
  const secrets: string[] = []
  let words: readonly string[] = []
  let redact = redactor(secrets)
  // Twice: a colour in the middle of a secret hides the secret until it is removed.
  const shown = (text: string): string => redact(visible(redact(text)))
  const info = (line: string) => core.info(withoutCommands(shown(line).replace(LINE_BREAKS, ' ')))
  const warning = (line: string) => core.warning(shown(line))

  function maskAll(more: readonly string[], ours: readonly string[]): void {
    for (const secret of more) core.setSecret(secret)
    secrets.push(...more)
    words = [...words, ...ours]
    redact = redactor(secrets, words)
  }

  return {
    maskAll,
    mask: (secret) => maskAll([secret], []),
    redact: (data) => redactAll(data, shown),
    remember: (release) => remember('release', release, { warning }),
    info,
    warning,
    annotate: (message, { file, line, column }) =>
      core.error(shown(message), {
        title: 'Gapless: build-failed',
        file: shown(file),
        ...(line === undefined ? {} : { startLine: line }),
        ...(column === undefined ? {} : { startColumn: column }),
      }),
    debug: (line) => {
      // The runner drops debug lines unless `ACTIONS_STEP_DEBUG` is set: making them costs time.
      if (core.isDebug()) core.debug(shown(line()).slice(0, LONGEST_DEBUG))
    },
    group: (title) => core.startGroup(shown(title)),
    endGroup: core.endGroup,
    error({ code, message, remedy, evidence = '' }) {
      if (evidence.trim() !== '') {
        // The app's own words: nothing in them may act as a workflow command.
        const token = `stop-${randomBytes(16).toString('hex')}`
        core.info(`::stop-commands::${token}\n${shown(evidence)}\n::${token}::`)
      }
      const next = remedy === undefined ? '' : ` ${asSentence(remedy)}`
      core.error(shown(`${asSentence(message)}${next}`), { title: shown(`Gapless: ${code}`) })
    },
  }
}

/** A runner reads `::` after any white space of .NET as a command, and `##[` anywhere in a line (actions/runner). */
function withoutCommands(line: string): string {
  return line.replace(/^[\s\u0085]*(?=::)/, '| ').replaceAll('##[', '## [')
}
