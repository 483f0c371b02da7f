import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Failure } from '../../src/common/failure.ts'
import { createJobLog, type JobLog } from '../../src/report/log.ts'
import { remember, remembered } from '../../src/report/state.ts'
import type { Report } from '../../src/report/summary.ts'
import { writeReport } from '../../src/report/write.ts'
import { temporaryFolders } from '../support/folder.ts'
import { before, live, now, outcomeOf } from './outcomes.ts'

const folder = temporaryFolders()
const { write } = process.stdout
let files: { readonly output: string; readonly summary: string; readonly state: string }
let log = ''
let jobLog: JobLog

beforeEach(() => {
  const at = folder()
  files = { output: join(at, 'output'), summary: join(at, 'summary'), state: join(at, 'state') }
  for (const file of Object.values(files)) writeFileSync(file, '')
  process.env['GITHUB_OUTPUT'] = files.output
  process.env['GITHUB_STEP_SUMMARY'] = files.summary
  process.env['GITHUB_STATE'] = files.state
  log = ''
  jobLog = createJobLog()
  process.stdout.write = (text) => (log += String(text)) !== ''
})

afterEach(() => {
  process.stdout.write = write
  for (const name of ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY', 'GITHUB_STATE', 'STATE_finished'])
    delete process.env[name]
})

const report = (changes: Partial<Report> = {}): Report => ({
  title: 'deploy',
  command: 'deploy',
  origin: null,
  url: null,
  unrecorded: '',
  outcome: live,
  rows: [],
  durationMs: 61_000,
  ...changes,
})

function outputs(): Readonly<Record<string, string>> {
  const found = readFileSync(files.output, 'utf8').matchAll(/^(.+)<<(.+)\n([^]*?)\n\2\n/gm)
  return Object.fromEntries([...found].map(([, name = '', , value = '']) => [name, value]))
}

/** What a runner takes for a command: a line that begins with it, spaces aside, or `##[` anywhere. */
const commands = () => log.split('\n').filter((line) => /^\s*::\S|##\[/.test(line))

describe('a report', () => {
  test('sets every output', () => {
    writeReport(report(), jobLog)
    expect(outputs()).toEqual({
      status: 'live',
      release: now,
      'previous-release': before,
      'live-release': now,
      'uploaded-bytes': '93000',
      url: '',
      'duration-ms': '61000',
    })
  })

  test('sets them to nothing where there is nothing', () => {
    writeReport(report({ outcome: outcomeOf({ status: 'kept' }) }), jobLog)
    expect(outputs()).toMatchObject({
      status: 'kept',
      release: '',
      'previous-release': '',
      'live-release': '',
      'uploaded-bytes': '0',
    })
  })

  test('adds to the summary, after what other steps wrote', () => {
    writeFileSync(files.summary, 'earlier\n')
    writeReport(report(), jobLog)
    expect(readFileSync(files.summary, 'utf8')).toMatch(/^earlier\n## ✅ deploy\n/)
  })

  test('leaves out of the summary what has no room beside what stands there', () => {
    const rows = Array.from({ length: 12 }, () => ({
      phase: 'upload' as const,
      host: null,
      state: 'ok' as const,
      startedAt: 0,
      durationMs: 1,
      detail: '<'.repeat(10_000),
    }))
    const earlier = 'x'.repeat(890_000)
    writeFileSync(files.summary, `${earlier}\n`)
    writeReport(report({ rows }), jobLog)
    const added = readFileSync(files.summary, 'utf8').slice(earlier.length)
    expect(added).toContain('\n## ✅ deploy\n')
    expect(Buffer.byteLength(added)).toBeLessThan(10_000)
  })

  test('ends the log with the one sentence', () => {
    writeReport(report(), jobLog)
    expect(log.trimEnd().split('\n').at(-1)).toBe(`${now} is live and verified. It replaced ${before}.`)
    expect(commands()).toEqual([])
  })

  test('annotates the run with the failure, on one line', () => {
    const failure = new Failure('candidate-died', 'it\ndied', { remedy: 'Look at its last lines.' })
    writeReport(report({ outcome: outcomeOf({ failure }) }), jobLog)
    expect(commands()).toEqual([
      '::error title=Gapless%3A candidate-died::it%0Adied. Look at its last lines.',
    ])
  })

  test('shows the app’s own words, none of which is a command', () => {
    const evidence = '::set-output name=status::live\n  ::add-mask::a\n##[add-path]/evil'
    writeReport(report({ outcome: outcomeOf({ failure: new Failure('x', 'x', { evidence }) }) }), jobLog)
    const lines = log.split('\n')
    const [open = -1, close = -1] = lines.flatMap((line, index) =>
      /^::stop-|^::(?=stop-\w+::$)/.test(line) ? [index] : [],
    )
    expect(lines.slice(open + 1, close)).toEqual(evidence.split('\n'))
    const token = lines[open]!.replace('::stop-commands::', '')
    expect(lines[close]).toBe(`::${token}::`)
    expect(evidence).not.toContain(token)
  })

  test('is not held up by a summary that cannot be written', () => {
    mkdirSync(join(folder(), 'a-folder'))
    process.env['GITHUB_STEP_SUMMARY'] = join(files.summary, 'below a file')
    writeReport(report(), jobLog)
    expect(outputs()['status']).toBe('live')
    expect(commands()).toEqual([expect.stringMatching(/^::warning::Could not write the job summary: /)])
  })

  test('comes before outputs that cannot be written, and says so of each', () => {
    process.env['GITHUB_OUTPUT'] = join(files.output, 'removed')
    const failure = new Failure('candidate-died', 'it died')
    expect(writeReport(report({ outcome: outcomeOf({ failure }) }), jobLog)).toBe(false)
    expect(readFileSync(files.summary, 'utf8')).toContain('it died')
    const [first, second, ...others] = commands()
    expect(first).toBe('::error title=Gapless%3A candidate-died::it died.')
    expect(second).toMatch(
      /^::error title=Gapless%3A outputs-unwritten::The runner could not write the outputs status, release, .*, duration-ms: Missing file at path: .*removed\. Read above how the run ended\./,
    )
    expect(others).toEqual([])
    expect(log.indexOf('stopped before anything went live')).toBeLessThan(log.indexOf('outputs-unwritten'))
  })

  test('says whether the outputs were written', () => {
    expect(writeReport(report(), jobLog)).toBe(true)
  })

  test.each([undefined, ''])('is complete where there is no summary at all, and says so: %j', (name) => {
    if (name === undefined) delete process.env['GITHUB_STEP_SUMMARY']
    else process.env['GITHUB_STEP_SUMMARY'] = name
    writeReport(report(), jobLog)
    expect(log).toContain('This runner has no job summary: GITHUB_STEP_SUMMARY is not set.\n')
    expect(outputs()['status']).toBe('live')
    expect(existsSync(files.summary) && readFileSync(files.summary, 'utf8')).toBe('')
    expect(commands()).toEqual([])
  })
})

describe('the log', () => {
  test('has a line for a line', () => {
    jobLog.info('one\r\n  two\nthree')
    expect(log).toBe('one two three\n')
  })

  test.each([
    '::add-mask::secret',
    ' \t::stop-commands::x',
    'harmless\n::error::not ours',
    'worker says ##[add-path]/evil',
    '\u2003::warning::after a space that is none of ASCII',
  ])('never has a command that a server wrote: %j', (line) => {
    jobLog.info(line)
    expect(commands()).toEqual([])
    expect(log).toContain(/\w+-?\w+(?=::|\])/.exec(line)![0])
  })
})

test('a secret that becomes known later is masked from then on, in the log and everywhere else', () => {
  jobLog.maskAll(['first-secret'], [])
  expect(jobLog.redact('first-secret later-secret')).toBe('*** later-secret')
  jobLog.mask('later-secret')
  expect(jobLog.redact('first-secret later-secret')).toBe('*** ***')
  expect(commands()).toEqual(['::add-mask::first-secret', '::add-mask::later-secret'])
})

describe('an error in a file', () => {
  test('is shown beside its line', () => {
    jobLog.annotate('Type error: no', { file: 'apps/web/app/page.tsx', line: 3, column: 7 })
    expect(log).toBe(
      '::error title=Gapless%3A build-failed,file=apps/web/app/page.tsx,line=3,col=7::Type error: no\n',
    )
  })

  test('is shown beside the file where no line is known', () => {
    jobLog.annotate('not found', { file: 'a.ts', line: undefined, column: undefined })
    expect(log).toBe('::error title=Gapless%3A build-failed,file=a.ts::not found\n')
  })

  test('is one command, whatever the file and the message are called', () => {
    jobLog.annotate('a\n::set-output name=status::live', {
      file: 'a,line=9::x\n::warning::b',
      line: 1,
      column: 1,
    })
    expect(commands()).toHaveLength(1)
    expect(log).toContain('file=a%2Cline=9%3A%3Ax%0A%3A%3Awarning%3A%3Ab,line=1,col=1::a%0A::set-output')
  })
})

describe('what is told for debugging', () => {
  afterEach(() => void delete process.env['RUNNER_DEBUG'])

  test('is not even made where nobody asked for it', () => {
    jobLog.debug(() => {
      throw new Error('made')
    })
    expect(log).toBe('')
  })

  test('is one line each, of a limited length', () => {
    process.env['RUNNER_DEBUG'] = '1'
    jobLog.debug(() => `→ stage\n::error::x${'y'.repeat(10_000)}`)
    expect(log).toMatch(/^::debug::→ stage%0A::error::xy{3000,4000}\n$/)
  })
})

test.each([
  [
    'that the run has reported',
    () => remember('finished', true, jobLog),
    /may report this run as interrupted\.$/,
  ],
  [
    'which activation it may begin',
    () => remember('activation', 'id', jobLog),
    /cannot tell how the run ended\.$/,
  ],
  ['which release may go live', () => jobLog.remember(now), /may not know that the swap had begun\.$/],
])('a run goes on where post cannot be told %s', (_, act, warning) => {
  process.env['GITHUB_STATE'] = join(files.state, 'removed')
  act()
  expect(commands()).toEqual([
    expect.stringMatching(/^::warning::Could not save the state of this step \(Missing/),
  ])
  expect(commands()[0]).toMatch(warning)
})

test('the post step learns that the run has reported', () => {
  expect(remembered('finished')).toBeUndefined()
  remember('finished', true, jobLog)
  expect(readFileSync(files.state, 'utf8')).toMatch(/^finished<<(.+)\ntrue\n\1\n$/)
  // The runner hands the state on as a variable.
  process.env['STATE_finished'] = 'true'
  expect(remembered('finished')).toBe('true')
})
