/** What builds, apps, servers and committers write is shown, and does nothing. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readInputs } from '../../src/inputs/index.ts'
import { readProject } from '../../src/next/project.ts'
import { build } from '../../src/phases/build.ts'
import { createPlan } from '../../src/plan.ts'
import { Failure } from '../../src/common/failure.ts'
import { renderSummary, type Report } from '../../src/report/summary.ts'
import { createJobLog } from '../../src/report/log.ts'
import { redactAll } from '../../src/report/redact.ts'
import { redactor } from '../../src/report/redactor.ts'
import { visible } from '../../src/report/text.ts'
import { writeReport } from '../../src/report/write.ts'
import { outcomeOf, releaseSummary, workerState } from '../report/outcomes.ts'
import { stringsIn } from '../report/strings.ts'
import { temporaryFolders } from '../support/folder.ts'
import { attack, hostile, record } from './attack.ts'

const folder = temporaryFolders()
const jobLog = createJobLog()
const { write } = process.stdout
let log = ''

beforeEach(() => {
  log = ''
  process.stdout.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    log += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
    for (const done of rest) if (typeof done === 'function') (done as () => void)()
    return true
  }
})
afterEach(() => {
  process.stdout.write = write
})

/**
 * The commands that a runner obeys in a log: a line that begins with `::`, white space of .NET's aside, or `##[`
 * anywhere in it; none between `::stop-commands::token` and `::token::`.
 */
function commandsIn(text: string): readonly string[] {
  const obeyed: string[] = []
  let token: string | undefined
  for (const line of text.split(/\r\n|\n|\r/)) {
    const command = /^[\s\u0085]*::([^:]*?)::(.*)$/s.exec(line) ?? undefined
    if (token !== undefined) {
      if (command?.[1] === token) token = undefined
    } else if (command?.[1] === 'stop-commands') {
      token = command[2]
    } else if (command !== undefined || line.includes('##[')) {
      obeyed.push(line)
    }
  }
  return token === undefined ? obeyed : [...obeyed, 'commands were never resumed']
}

function reportWith(text: string): Report {
  return {
    title: text,
    command: 'deploy',
    origin: null,
    url: null,
    unrecorded: '',
    durationMs: 1,
    rows: [
      {
        phase: 'connect',
        host: text,
        state: 'failed',
        startedAt: 0,
        durationMs: 1,
        detail: text,
        evidence: `the row's: ${text}`,
      },
    ],
    outcome: outcomeOf({
      failure: new Failure('build-failed', text, { remedy: text, evidence: text }),
      hosts: ['a', 'b'].map((name) => ({
        name: `${name}${text}`,
        status: 'down' as const,
        live: null,
        failure: new Failure('worker-died', text, { evidence: `${name}'s: ${text}` }),
        releases: [releaseSummary({ id: '20260101000001' })],
        server: null,
        dryRun: null,
        workers: [workerState({ status: text, pmId: text })],
      })),
    }),
  }
}

/** Code on one line, with nothing in it that Markdown or HTML would read: a text may place that, and no more. */
const inert = /`[^`&<>|$*"\\\n]+`|<code>[^<>`|*[\]\\~$"\n]+<\/code>/g

/** What a Markdown reader takes for structure: tags, entities and inert code aside; cells; blocks. */
function skeleton(markdown: string): string {
  const shape = (text: string) =>
    text
      .replace(/&#\d+;/g, 'x')
      .replaceAll(inert, 'x')
      .split('\n')
      .map((line) =>
        (line.match(/<[^>]*>?|`|\*\*|\||\[|\]|^#+ |^> |^[-+] |^\d+[.)] |~~|\\|\$|!\[/g) ?? []).join(''),
      )
      .join('\n')
  // Every second part is evidence: text that ends its block early makes more parts.
  return markdown
    .split(/<pre>([^]*?)<\/pre>/)
    .map((part, index) => (index % 2 === 0 ? shape(part) : (part.match(/<|>/g) ?? []).join('')))
    .join('<pre>')
}

test('the summary keeps its shape, whatever is in it', () =>
  attack({
    surface: 'Summary: Markdown and HTML',
    // Of evidence that is nothing but white space, line separators included, there is no section.
    inputs: hostile.filter((text) => text.trim() !== '' && visible(text).trim() !== ''),
    runs: [500, 20_000],
    holds: (text) => {
      const markdown = renderSummary(reportWith(text))
      return (
        skeleton(markdown) === skeleton(renderSummary(reportWith('x'))) &&
        !/[^\P{Cc}\n\t]|[\u202A-\u202E\u2066-\u2069]/u.test(markdown)
      )
    },
  }))

test('no line of the log is a command', () =>
  attack({
    surface: 'Log: workflow commands',
    inputs: hostile,
    holds: (text) => {
      log = ''
      jobLog.info(text)
      return commandsIn(log).length === 0 && log.trimEnd().split('\n').length <= 1 && !log.includes('\u001B')
    },
  }))

test('a report has its one annotation, and evidence is no command', () =>
  attack({
    surface: 'Report: annotations and evidence',
    inputs: hostile,
    runs: [200, 5000],
    holds: (text) => {
      log = ''
      const { outcome, ...rest } = reportWith(text)
      writeReport({ ...rest, outcome: { ...outcome, failure: outcome.failure } }, jobLog)
      // Without GITHUB_OUTPUT outputs are commands, too: the runner of these tests has none.
      const obeyed = commandsIn(log).filter((line) => !/^::set-output name=[a-z-]+::[\w-]*$/.test(line))
      return obeyed.length === 1 && obeyed[0]!.startsWith('::error title=Gapless%3A build-failed::')
    },
  }))

test('what a build prints is no command, and it does not learn where outputs are written', async () => {
  const workspace = folder()
  writeFileSync(join(workspace, 'package.json'), '{"name":"site","dependencies":{"next":"16"}}')
  writeFileSync(join(workspace, 'package-lock.json'), '{}')
  mkdirSync(join(workspace, '.next'))
  const evil = [
    '::set-output name=status::live',
    '::save-state name=finished::true',
    '  ::add-mask::e',
    '##[add-mask]x',
    '::stop-commands::mine',
    '::mine::',
    '\u001B[1A::error::x',
    '::endgroup::',
  ]
  writeFileSync(
    join(workspace, 'evil.txt'),
    `${evil.join('\n')}\nwithout an end: ::set-output name=status::live`,
  )
  const inputs = readInputs({
    INPUT_HOST: 'example.com',
    INPUT_USERNAME: 'deploy',
    INPUT_PASSWORD: 'the password of it',
    INPUT_FINGERPRINT: `SHA256:${'A'.repeat(43)}`,
    'INPUT_INSTALL-COMMAND': 'cat evil.txt; env',
    'INPUT_BUILD-COMMAND': 'cat evil.txt',
    GITHUB_WORKSPACE: workspace,
  })
  process.env['GITHUB_OUTPUT'] = join(workspace, 'outputs')
  process.env['INPUT_PASSWORD'] = 'the password of it'
  try {
    const plan = createPlan(inputs, 'site')
    await build(plan, readProject(workspace, '.'), [], undefined, jobLog).catch((error: unknown) => {
      if (!(error instanceof Failure)) throw error
    })
  } finally {
    delete process.env['GITHUB_OUTPUT']
    delete process.env['INPUT_PASSWORD']
  }
  expect(log).toContain('without an end')
  expect(commandsIn(log)).toEqual([])
  expect(log).not.toContain('GITHUB_OUTPUT')
  expect(log).not.toContain('the password of it')
  record('Builds: workflow commands', evil.length * 2 + 2, 0)
})

test('no secret is in the summary or the annotations, in whatever form it is met', () => {
  const secret = fc
    .string({ unit: 'grapheme', minLength: 8, maxLength: 60 })
    .filter((text) => /^\S.{6,}\S$/s.test(text) && !/^(.)\1*$/.test(text))
  const form = fc.constantFrom<(text: string) => string>(
    (text) => text,
    (text) => JSON.stringify(text).slice(1, -1),
    (text) => encodeURIComponent(text),
    (text) => Buffer.from(text).toString('base64').replace(/=+$/, ''),
    (text) => inspect(text, { breakLength: Infinity }).slice(1, -1),
    (text) => new URLSearchParams({ '': text }).toString().slice(1),
    (text) =>
      text.replace(/[&<>"]/g, (each) => `&${{ '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot' }[each]};`),
    (text) => Buffer.from(`u:${text}`).toString('base64'),
    (text) => Buffer.from(`a:${text}:b`).toString('base64url'),
  )
  return attack({
    surface: 'Secrets in what is shown',
    inputs: fc.tuple(secret, form, hostile, hostile),
    runs: [200, 5000],
    holds: ([one, shape, before, after]) => {
      const met = shape(one)
      if (`${before}${after}`.includes(met) || reportText('x').includes(met)) return true
      const redact = redactor([one])
      const shown = [...stringsIn(redactAll(reportWith(`${before}${met}${after}`), redact)).values()]
      return shown.every((text) => !text.includes(met))
    },
  })

  function reportText(text: string): string {
    return JSON.stringify(reportWith(text))
  }
})

test('what a cut left of a secret is not shown', () =>
  attack({
    surface: 'Secrets that were cut in two',
    inputs: fc.tuple(fc.integer({ min: 8, max: 39 }), fc.boolean()),
    holds: ([length, atEnd]) => {
      const secret = 'correct-horse-battery-staple-0123456789A'
      const part = atEnd ? secret.slice(0, length) : secret.slice(-length)
      const shown = redactor([secret])(atEnd ? `log ${part}` : `${part} log`)
      return !shown.includes(part)
    },
  }))
