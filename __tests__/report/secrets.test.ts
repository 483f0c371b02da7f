/** No secret is shown, whichever field of a report or line of the log holds it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { phaseNames, rowStates } from '../../src/pipeline.ts'
import {
  activationStatuses,
  activationSteps,
  entryStates,
  findingEffects,
} from '../../src/protocol/messages.ts'
import { createJobLog, type JobLog } from '../../src/report/log.ts'
import type { Report } from '../../src/report/summary.ts'
import { writeReport } from '../../src/report/write.ts'
import { temporaryFolders } from '../support/folder.ts'
import { fullReport, live, now } from './outcomes.ts'
import { changeStrings, emptyIn, stringsIn } from './strings.ts'

const SECRET = 's3cret-value'
/** The fields that hold one of these have no other values. */
const vocabulary = new Set<string>([
  ...activationStatuses,
  ...activationSteps,
  ...entryStates,
  ...findingEffects,
  ...phaseNames,
  ...rowStates,
  'deploy',
])
const folder = temporaryFolders()
const { write } = process.stdout
let printed = ''

beforeEach(() => {
  process.env['RUNNER_DEBUG'] = '1'
  printed = ''
  process.stdout.write = (text) => (printed += String(text)) !== ''
})
afterEach(() => {
  process.stdout.write = write
  for (const name of ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY', 'RUNNER_DEBUG']) delete process.env[name]
})

function maskingLog(): JobLog {
  const log = createJobLog()
  log.maskAll([SECRET], [...vocabulary])
  printed = ''
  return log
}

/** Everything that a report shows: summary, outputs, log with annotations. */
function shownOf(report: Report, log: JobLog): string {
  const at = folder()
  const files = { GITHUB_STEP_SUMMARY: join(at, 'summary'), GITHUB_OUTPUT: join(at, 'output') }
  Object.assign(process.env, files)
  for (const file of Object.values(files)) writeFileSync(file, '')
  printed = ''
  writeReport(report, log)
  return [printed, ...Object.values(files).map((file) => readFileSync(file, 'utf8'))].join('\n')
}

/** The report with the secret in one field. */
function planted(field: string): Report {
  return changeStrings(fullReport(), (text, path) => (path === field ? `${text} ${SECRET} more` : text))
}

const fields = [...stringsIn(fullReport())]
  .filter(([, text]) => !vocabulary.has(text))
  .map(([field]) => field)

describe('a secret is not shown', () => {
  test('whichever field of the report holds it', () => {
    expect(emptyIn(fullReport())).toEqual([])
    expect(fields.length).toBeGreaterThan(80)
    const log = maskingLog()
    expect(fields.filter((field) => shownOf(planted(field), log).includes(SECRET))).toEqual([])
  })

  test('and without masks those fields would show it', () => {
    const log = createJobLog()
    const leaks = fields.filter((field) => shownOf(planted(field), log).includes(SECRET))
    expect(leaks).toEqual(
      expect.arrayContaining([
        'title',
        'rows.1.detail',
        'outcome.release',
        'outcome.failure.evidence',
        'outcome.infos.0.actor',
        'outcome.hosts.1.failure.message',
        'outcome.hosts.0.server.lock',
        'outcome.hosts.0.server.journal.0.detail',
        'outcome.hosts.0.dryRun.findings.0.remedy',
        'outcome.hosts.0.workers.0.status',
      ]),
    )
  })

  test('nor in a field that is added to the report later', () => {
    const { outcome, ...report } = fullReport()
    const grown = { ...report, outcome: { ...outcome, url: `https://${SECRET}`, notes: [{ of: [SECRET] }] } }
    const shown = stringsIn(maskingLog().redact(grown))
    expect(shown.get('outcome.url')).toBe('https://***')
    expect([...shown.values()].filter((text) => text.includes(SECRET))).toEqual([])
  })

  test('where a colour in its middle hides it', () => {
    const log = maskingLog()
    const text = 'the s3cret\u001B[1m-value'
    log.info(text)
    expect(log.redact([text])).toEqual(['the ***'])
    expect(printed).toBe('the ***\n')
  })

  test('whichever way it takes into the log', () => {
    const log = maskingLog()
    const ways: Readonly<
      Record<Exclude<keyof JobLog, 'mask' | 'maskAll' | 'endGroup' | 'redact'>, () => void>
    > = {
      info: () => log.info(`a ${SECRET}`),
      warning: () => log.warning(`a ${SECRET}`),
      debug: () => log.debug(() => `a ${SECRET}`),
      group: () => log.group(`a ${SECRET}`),
      annotate: () => log.annotate(`a ${SECRET}`, { file: `a ${SECRET}`, line: 1, column: 1 }),
      error: () => log.error(planted('outcome.failure.message').outcome.failure!),
      // It is written to a file of the runner's; where that fails, a warning says so.
      remember: () => log.remember(SECRET),
    }
    for (const [name, act] of Object.entries(ways)) {
      printed = ''
      if (name === 'remember') process.env['GITHUB_STATE'] = join(folder(), SECRET, 'state')
      act()
      expect({ name, printed }).toEqual({ name, printed: expect.not.stringContaining(SECRET) })
      expect(printed).toContain('***')
    }
    delete process.env['GITHUB_STATE']
  })
})

test('outputs, statuses and ids are exact, whatever the secrets are', () => {
  const log = createJobLog()
  log.maskAll(['live', now.slice(0, 8)], [...vocabulary])
  const report: Report = {
    title: 'x',
    command: 'deploy',
    origin: null,
    url: null,
    unrecorded: '',
    rows: [],
    durationMs: 1,
    outcome: live,
  }
  shownOf(report, log)
  expect(readFileSync(process.env['GITHUB_OUTPUT']!, 'utf8')).toMatch(
    new RegExp(`^status<<(.+)\\nlive\\n\\1\\nrelease<<(.+)\\n${now}\\n\\2\\n`),
  )
})
