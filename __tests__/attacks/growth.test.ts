/** Text from elsewhere, long enough that a pattern which tries every place again from every place would hang a run. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { readInputs } from '../../src/inputs/index.ts'
import { parseDotenv } from '../../src/inputs/dotenv.ts'
import { findBuildErrors } from '../../src/next/build-errors.ts'
import { satisfies } from '../../src/next/version-range.ts'
import { hasOwnKey } from '../../src/next/server-actions.ts'
import { Failure } from '../../src/common/failure.ts'
import { parseEntry } from '../../src/protocol/manifest.ts'
import { renderOwnEvidence } from '../../src/report/evidence.ts'
import { escape, prose, verbatim } from '../../src/report/markdown.ts'
import { redactor } from '../../src/report/redactor.ts'
import { visible } from '../../src/report/text.ts'
import { timeline } from '../../src/report/timeline.ts'
import { createJobLog } from '../../src/report/log.ts'
import { hostKeyPolicy } from '../../src/ssh/host-key.ts'
import { parseKnownHosts } from '../../src/ssh/known-hosts.ts'
import { normalizePrivateKey } from '../../src/ssh/private-key.ts'
import { temporaryFolders } from '../support/folder.ts'
import { record } from './attack.ts'

const folder = temporaryFolders()

/** What a text of so many characters is made of, from its head to its tail. */
const shapes: readonly (readonly [string, (length: number) => string])[] = [
  ...[
    ' ',
    '\t',
    '\n',
    '\r\n',
    '\0',
    '=',
    '/',
    '(',
    '[',
    '_',
    '`',
    '"',
    '\\',
    ':1',
    '1',
    'a',
    'a-',
    './',
    '..',
    '#',
  ].map((unit) => [JSON.stringify(unit), (length: number) => fill(unit, length)] as const),
  ['escapes', (length) => fill('\u001B', length)],
  ['an escape that might go on', (length) => `\u001B${fill(';', length / 2)}${fill(';a', length / 2)}`],
  ['a title without an end', (length) => fill('\u001B]', length)],
  ['places in sources', (length) => `./${fill(':1', length)}`],
  ['a stack', (length) => `Error: x\n  at ${fill('(a:1', length)}`],
  ['types', (length) => fill('(1,1', length)],
  ['versions', (length) => `1.1.${fill('1', length)} `],
  ['a key', (length) => `-----BEGIN ${fill('A', length)}`],
  ['keys', (length) => fill('-----BEGIN ', length)],
  ['quotes', (length) => fill('A="b\n', length)],
  ['code that does not end', (length) => fill('`pm2 ', length)],
  ['quoted lines', (length) => fill('A="b"\n', length)],
  ['a url', (length) => `A=postgres://u:${fill('p', length)}`],
  ['lines that begin', (length) => fill('\n ', length)],
]

function fill(unit: string, length: number): string {
  return unit.repeat(Math.ceil(length / unit.length))
}

const login = {
  INPUT_HOST: 'example.com',
  INPUT_USERNAME: 'u',
  INPUT_FINGERPRINT: `SHA256:${'A'.repeat(43)}`,
}
const inputs = (name: string) => (text: string) =>
  void readInputs({ ...login, INPUT_PASSWORD: 'p', [`INPUT_${name}`]: text })
const redact = redactor(['a secret that is long enough', ';a;a;a;a;a', '          x'])

/** What meets text of a server, a build, a repository, or of a secret that holds more than it should. */
const readers: Readonly<Record<string, (text: string) => unknown>> = {
  'job log': (text) => createJobLog().info(text),
  'log warnings': (text) => createJobLog().warning(text),
  'shown text': visible,
  Markdown: escape,
  'Markdown with code': prose,
  'Markdown, verbatim': verbatim,
  evidence: (text) => renderOwnEvidence(text),
  timeline: (text) => timeline([row(text), row(text)]),
  redactor: redact,
  'build errors': findBuildErrors,
  'engine ranges': (text) => satisfies('20.0.0', text),
  'server action key': (text) => {
    const directory = join(folder(), 'app')
    mkdirSync(directory)
    writeFileSync(join(directory, '.env'), text)
    return hasOwnKey(directory, {})
  },
  'manifest entries': (text) => parseEntry(JSON.stringify({ kind: 'link', path: 'a/b', target: text })),
  'known hosts': (text) => parseKnownHosts(`h ssh-rsa ${text}x`),
  'host key fingerprints': (text) => hostKeyPolicy({ fingerprints: [`${text}x`] }, 'h', 22),
  'private keys': (text) => normalizePrivateKey(text, undefined, 'key'),
  'dotenv text': parseDotenv,
  passwords: (text) => inputs('PASSWORD')(`x${text}x`),
  hosts: inputs('HOST'),
  env: inputs('ENV'),
  'node-options': inputs('NODE-OPTIONS'),
  durations: inputs('OBSERVE'),
  'app-name': inputs('APP-NAME'),
  'listen addresses': inputs('APP-HOST'),
  path: inputs('PATH'),
  'health-check-url': inputs('HEALTH-CHECK-URL'),
}

const row = (detail: string) =>
  ({ phase: 'upload', host: detail, state: 'ok', startedAt: 0, durationMs: 1, detail }) as const

const LENGTH = 8_000
const TIMES = 4
/** Where it takes no longer than this, nobody waits; in ms. */
const SHORT = 100
/** Four times the text takes four times as long, or with a quadratic pattern sixteen times. */
const MOST = 10

/** @returns the CPU time in ms: a busy machine makes others wait for it, but not work more */
function timeOf(read: (text: string) => unknown, text: string): number {
  const begun = process.cpuUsage()
  try {
    read(text)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
  }
  const { user, system } = process.cpuUsage(begun)
  return (user + system) / 1000
}

describe('time grows with the text, not with its square:', () => {
  beforeEach(() => {
    jest.spyOn(process.stdout, 'write').mockReturnValue(true)
  })
  afterEach(() => {
    jest.restoreAllMocks()
  })

  test.each(Object.entries(readers))('%s', (_, read) => {
    const slow = shapes.flatMap(([shape, make]) => {
      const [short, long] = [make(LENGTH), make(LENGTH * TIMES)]
      // The first time is the compiler's.
      timeOf(read, short)
      // A collection of garbage comes once, not each time.
      const [before, after] = [short, long].map((text) =>
        Math.min(...Array.from({ length: 2 }, () => timeOf(read, text))),
      ) as [number, number]
      return after > SHORT && after > MOST * before
        ? [`${shape}: ${before.toFixed(1)} ms, then ${after.toFixed(1)} ms`]
        : []
    })
    record('Text that is long: patterns of quadratic time', shapes.length, slow.length)
    expect(slow).toEqual([])
  })
})
