/** Every parser takes any text: it gives a value that is safe, or says what is wrong, and nothing else happens. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, isIP, isIPv6 } from 'node:net'
import { join, posix, resolve } from 'node:path'
import { beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readManifest } from '../../src/agent/store/manifest-file.ts'
import { readJournal } from '../../src/agent/activation/journal.ts'
import { connectPm2 } from '../../src/agent/pm2/client.ts'
import { appName } from '../../src/inputs/app-name.ts'
import { parseDotenv } from '../../src/inputs/dotenv.ts'
import { hostEntry } from '../../src/inputs/hosts.ts'
import { nodeOptions } from '../../src/inputs/node-options.ts'
import { appPath, binPath, repositoryPath, sharedPath } from '../../src/inputs/paths.ts'
import { Unusable } from '../../src/inputs/unusable.ts'
import {
  duration,
  httpUrl,
  instances,
  listenHost,
  memory,
  minute,
  releaseId,
  requestPath,
  statusRanges,
  userName,
} from '../../src/inputs/values.ts'
import { readPackageJson } from '../../src/next/package-json.ts'
import { Failure } from '../../src/common/failure.ts'
import { decodeFrames, encodeFrame, frameKind, MAX_PAYLOAD } from '../../src/protocol/frames.ts'
import { parse } from '../../src/protocol/guards.ts'
import { parseEntry } from '../../src/protocol/manifest.ts'
import { journalEntry, operations, reply, request } from '../../src/protocol/messages.ts'
import { fingerprintOf, hostKeyPolicy } from '../../src/ssh/host-key.ts'
import { parseKnownHosts } from '../../src/ssh/known-hosts.ts'
import { normalizePrivateKey } from '../../src/ssh/private-key.ts'
import { temporaryFolders } from '../support/folder.ts'
import { attack, hostile, hostileJson, mutated } from './attack.ts'

const folder = temporaryFolders()

/** The parsed value, or undefined when it was refused in order. Anything else that is thrown got through. */
function parsed<T>(read: () => T, codes?: RegExp): T | undefined {
  try {
    return read()
  } catch (error) {
    if (codes === undefined && error instanceof Unusable) return undefined
    if (codes !== undefined && error instanceof Failure && codes.test(error.code)) return undefined
    throw error
  }
}

const printable = (text: string) => !/\p{Cc}/u.test(text)

describe('inputs', () => {
  const valid: Readonly<Record<string, readonly string[]>> = {
    duration: ['500ms', '30s', '10m', '1.5h', '7'],
    host: ['deploy@example.com:2222', '[::1]:22', 'example.com', 'a@b@host'],
    path: ['/srv/web', '~/apps/web', 'apps/web', 'public/uploads', '.'],
    other: ['web', '@acme/web', '768M', '200-399,404', '/api/health?x=1', 'https://example.com/x', 'max'],
    options: ['--max-old-space-size=512 --require "./a b.js"', "-r 'x'"],
  }
  const near = (kind: string) => fc.oneof(hostile, mutated(fc.constantFrom(...(valid[kind] ?? []))))

  /** A parser, text that is near to what it takes, and what must be true of all that it lets through. */
  const parsers: readonly (readonly [string, string, (text: string) => boolean | undefined])[] = [
    [
      'durations',
      'duration',
      (text) =>
        inRange(
          parsed(() => duration({ atLeast: 1, atMost: 10 * minute })(text)),
          1,
          600_000,
        ),
    ],
    [
      'hosts',
      'host',
      (text) => {
        const entry = parsed(() => hostEntry(text))
        if (entry === undefined) return undefined
        const { host, username, port } = entry
        return (
          (isIPv6(host) || /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(host)) &&
          /^[^-\s:][^\s:]*$/.test(username ?? 'x') &&
          printable(username ?? '') &&
          inRange(port ?? 1, 1, 65535) === true
        )
      },
    ],
    [
      'user names',
      'host',
      (text) =>
        check(
          () => userName(text),
          (name) => /^[^-\s:][^\s:]*$/.test(name),
        ),
    ],
    [
      'app names',
      'other',
      (text) =>
        check(
          () => appName(text),
          (name) => /^[\w~][\w.~-]*$/.test(name),
        ),
    ],
    [
      'listen addresses',
      'host',
      (text) =>
        check(
          () => listenHost(text),
          (host) => isIP(host) > 0 || /^[\w.-]+$/.test(host),
        ),
    ],
    [
      'request paths',
      'other',
      (text) =>
        check(
          () => requestPath(text),
          (path) => /^\/[\x21-\x7e]*$/.test(path),
        ),
    ],
    [
      'URLs',
      'other',
      (text) =>
        check(
          () => httpUrl(text),
          (url) => /^https?:\/\/[^@]+$/.test(url) || !new URL(url).username,
        ),
    ],
    [
      'sizes',
      'other',
      (text) =>
        inRange(
          parsed(() => memory(text)),
          1,
          Number.MAX_SAFE_INTEGER,
        ),
    ],
    [
      'instances',
      'other',
      (text) =>
        check(
          () => instances(text),
          (count) => (text === 'max' ? count === 0 : count > 0 && count < 257),
        ),
    ],
    [
      'status ranges',
      'other',
      (text) =>
        check(
          () => statusRanges(text),
          (all) => all.every(([from, to]) => from >= 100 && from <= to && to < 600),
        ),
    ],
    [
      'release ids',
      'other',
      (text) =>
        check(
          () => releaseId(text),
          (id) => /^\d{14}$/.test(id),
        ),
    ],
    [
      'the app’s folder',
      'path',
      (text) =>
        check(
          () => appPath(text),
          (path) => stays(path, '/home/x') || path.startsWith('/'),
        ),
    ],
    [
      'program folders',
      'path',
      (text) =>
        check(
          () => binPath(text),
          (path) => /^(?:\/|~\/)/.test(path) && clean(path),
        ),
    ],
    [
      'the working directory',
      'path',
      (text) =>
        check(
          () => repositoryPath(text, '/work/repo'),
          (path) => stays(path, '/work/repo'),
        ),
    ],
    [
      'shared paths',
      'path',
      (text) =>
        check(
          () => sharedPath(text),
          (path) => stays(path, '/release') && !path.split('/').includes('.gapless'),
        ),
    ],
    [
      'flags of Node',
      'options',
      (text) =>
        check(
          () => nodeOptions(text),
          (flags) =>
            flags[0]?.startsWith('-') === true && !flags.some((flag) => /^--preserve[-_]symlinks/.test(flag)),
        ),
    ],
  ]

  test.each(parsers)('%s', (name, kind, holds) =>
    attack({ surface: `Inputs: ${name}`, inputs: near(kind), holds: (text) => holds(text) ?? true }),
  )

  function check<T>(read: () => T, safe: (value: T) => boolean): boolean | undefined {
    const value = parsed(read)
    return value === undefined ? undefined : safe(value)
  }
  function inRange(value: number | undefined, from: number, to: number): boolean | undefined {
    return value === undefined ? undefined : Number.isSafeInteger(value) && value >= from && value <= to
  }
  function clean(path: string): boolean {
    return printable(path) && !path.split('/').includes('..')
  }
  function stays(path: string, base: string): boolean {
    return clean(path) && `${posix.resolve(base, path)}/`.startsWith(`${base}/`)
  }

  test('dotenv', () =>
    attack({
      surface: 'Inputs: dotenv text',
      inputs: fc.oneof(
        hostile,
        mutated(fc.constant('A=1\nexport B="x\\n\ny" # c\nC=\'$HOME\'\n__proto__=x\n')),
      ),
      holds: (text) => {
        const { values, problems } = parseDotenv(text)
        const shown = JSON.stringify(problems)
        return (
          Object.getPrototypeOf(values) === Object.prototype &&
          Object.entries(values).every(
            ([key, value]) => /^[A-Za-z_]\w*$/.test(key) && typeof value === 'string',
          ) &&
          !shown.includes('pwned')
        )
      },
    }))

  test('dotenv values come through whole', () =>
    attack({
      surface: 'Inputs: dotenv values',
      inputs: hostile.filter((value) => !value.includes("'")),
      holds: (value) => parseDotenv(`A='${value}'\nB=2`).values['A'] === value.replace(/\r\n|\r/g, '\n'),
    }))

  test('package.json', () => {
    const directory = folder()
    return attack({
      surface: 'Repository: package.json',
      inputs: hostileJson(['name', 'version', 'scripts', 'dependencies', 'devDependencies', '__proto__']),
      runs: [200, 5000],
      holds: (text) => {
        writeFileSync(join(directory, 'package.json'), text)
        const read = parsed(() => readPackageJson(directory), /^invalid-package-json$/)
        return read === undefined || ['string', 'undefined'].includes(typeof read.name)
      },
    })
  })
})

describe('the server’s identity', () => {
  let blobs: readonly Buffer[]
  let lines: readonly string[]
  beforeAll(() => {
    const made = ['ed25519', 'ecdsa', 'rsa'].map((type) => {
      const file = join(folder(), type)
      execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', file])
      return readFileSync(`${file}.pub`, 'utf8').trim()
    })
    lines = made
    blobs = made.map((line) => Buffer.from(line.split(' ')[1] ?? '', 'base64'))
  })

  test('known_hosts never accepts a key that it does not hold, for a host that it does not name', async () => {
    const names = [
      'example.com',
      '[example.com]:2222',
      '*',
      '*.com,!example.com',
      '!*',
      '|1|x|y',
      '@revoked *',
      '',
    ]
    await attack({
      surface: 'known_hosts',
      inputs: mutated(
        fc
          .tuple(fc.constantFrom(...names), fc.constantFrom(...lines))
          .map(([name, line]) => `${name} ${line}\n`),
      ),
      holds: (text) => {
        const policy = parsed(
          () => hostKeyPolicy({ knownHosts: text, fingerprints: [] }, 'example.com', 2222),
          /^(?:known-hosts-malformed|host-identity-missing|host-certificate-unsupported)$/,
        )
        if (policy === undefined) return true
        const entries = parseKnownHosts(text)
        return blobs.every(
          (blob) =>
            policy.verify(blob) !== true ||
            (entries.some(({ key, marker }) => marker === undefined && key.equals(blob)) &&
              !entries.some(
                ({ key, marker, hosts }) => marker === 'revoked' && hosts === '*' && key.equals(blob),
              )),
        )
      },
    })
  })

  test('a pattern of many stars takes no time', () => {
    const text = `${'*a'.repeat(2000)}b ${lines[0]}`
    const host = 'a'.repeat(250)
    const begun = performance.now()
    expect(hostKeyPolicy({ knownHosts: text, fingerprints: [] }, host, 22).verify(blobs[0]!)).toMatchObject({
      code: 'host-key-unknown',
    })
    expect(performance.now() - begun).toBeLessThan(1000)
  })

  test('a fingerprint accepts its own key alone', async () => {
    const right = fingerprintOf(blobs[0]!)
    await attack({
      surface: 'Fingerprints',
      inputs: mutated(fc.constant(right)),
      holds: (text) => {
        const policy = parsed(
          () => hostKeyPolicy({ fingerprints: [text] }, 'example.com', 22),
          /^fingerprint-malformed$/,
        )
        const same = text.trim().replace(/=+$/, '') === right
        return (policy?.verify(blobs[0]!) === true) === same && policy?.verify(blobs[1]!) !== true
      },
    })
  })
})

describe('private keys', () => {
  test('are read or refused with a code, and never shown', async () => {
    const file = join(folder(), 'key')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file])
    execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-m', 'PKCS8', '-N', 'secret', '-f', `${file}2`])
    const keys = [file, `${file}2`].map((each) => readFileSync(each, 'utf8'))
    await attack({
      surface: 'Private keys',
      inputs: fc.tuple(
        fc.oneof(hostile, mutated(fc.constantFrom(...keys))),
        fc.constantFrom(undefined, 'secret', 'wrong', ''),
      ),
      runs: [150, 5000],
      holds: ([text, passphrase]) => {
        try {
          return normalizePrivateKey(text, passphrase, 'key').length > 0
        } catch (error) {
          if (!(error instanceof Failure) || !error.code.startsWith('key-')) throw error
          const shown = JSON.stringify(error.toRecord())
          return !keys.some((key) =>
            key
              .split('\n')
              .slice(1, -2)
              .some((line) => shown.includes(line.slice(0, 20))),
          )
        }
      },
    })
  })
})

describe('what the two sides say to each other', () => {
  const refused = /^malformed-message$|^unsafe-path$/

  test('a manifest names paths of the release alone, and links that stay in it', () =>
    attack({
      surface: 'Manifest: paths and links',
      inputs: fc
        .tuple(
          fc.constantFrom('file', 'link', 'directory', 'pipe'),
          fc.oneof(hostile, mutated(fc.constant('app/.next/server/page.js'))),
          fc.oneof(hostile, mutated(fc.constantFrom('../../node_modules/x', 'a/../..', '..'))),
          fc.oneof(fc.nat(), fc.double(), fc.constant(-1)),
        )
        .map(([kind, path, target, size]) =>
          JSON.stringify({ kind, path, target, size, mode: 0o644, hash: 'a'.repeat(64) }),
        ),
      holds: (line) => {
        const entry = parsed(() => parseEntry(line), refused)
        if (entry === undefined) return true
        const at = resolve('/release', entry.path)
        if (!at.startsWith('/release/')) return false
        return entry.kind !== 'link' || `${resolve(at, '..', entry.target)}/`.startsWith('/release/')
      },
    }))

  test('a manifest never reaches through a link of its own', async () => {
    const file = join(folder(), 'manifest')
    const name = fc.constantFrom('a', 'b', 'a/b', 'a/b/c', 'b/a', 'a/b/c/d')
    const entry = fc.oneof(
      fc.record({
        kind: fc.constant('link'),
        path: name,
        target: fc.constantFrom('..', '../..', 'b', '../../..'),
      }),
      fc.record({ kind: fc.constant('directory'), path: name }),
    )
    await attack({
      surface: 'Manifest: paths below links',
      inputs: fc.array(entry, { maxLength: 6 }),
      runs: [200, 5000],
      holds: async (entries) => {
        writeFileSync(file, entries.map((each) => `${JSON.stringify(each)}\n`).join(''))
        const links: string[] = []
        try {
          for await (const each of readManifest(file)) {
            if (links.some((link) => each.path.startsWith(`${link}/`))) return false
            if (each.kind === 'link') links.push(each.path)
          }
        } catch (error) {
          if (!(error instanceof Failure && refused.test(error.code))) throw error
        }
        return true
      },
    })
  })

  test('messages are what their guards say, or refused', () =>
    attack({
      surface: 'Protocol: messages',
      inputs: hostileJson([
        'id',
        'kind',
        'value',
        'operation',
        'params',
        'body',
        'releases',
        'verdict',
        'live',
      ]),
      holds: (text) => {
        parsed(() => parse(reply, text, 'reply'), refused)
        parsed(() => parse(request, text, 'request'), refused)
        parsed(() => parse(journalEntry, text, 'entry'), refused)
        for (const { params, result } of Object.values(operations)) {
          parsed(() => parse<unknown>(params, text, 'params'), refused)
          parsed(() => parse<unknown>(result, text, 'result'), refused)
        }
        return (
          ({} as Record<string, unknown>)['polluted'] === undefined &&
          Object.keys(Object.prototype).length === 0
        )
      },
    }))

  async function* pieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer, void, undefined> {
    for (let at = 0, index = 0; at < bytes.length; index += 1) {
      const size = sizes[index % sizes.length] ?? 1
      yield bytes.subarray(at, at + size)
      at += size
    }
  }
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 })

  test('frames come through whole, in whatever pieces they come', () =>
    attack({
      surface: 'Protocol: frames',
      inputs: fc.tuple(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), sizes),
      runs: [200, 5000],
      holds: async ([payloads, cuts]) => {
        const bytes = Buffer.concat(payloads.map((each) => encodeFrame(frameKind.data, Buffer.from(each))))
        const got: Buffer[] = []
        for await (const { payload } of decodeFrames(pieces(bytes, cuts))) got.push(Buffer.from(payload))
        return (
          got.length === payloads.length &&
          got.every((each, index) => each.equals(Buffer.from(payloads[index]!)))
        )
      },
    }))

  test('bytes that are no frames are refused at their first header', () =>
    attack({
      surface: 'Protocol: malformed and oversized frames',
      inputs: fc.tuple(
        fc.nat({ max: 0xffffffff }),
        fc.nat({ max: 255 }),
        fc.uint8Array({ maxLength: 200 }),
        sizes,
      ),
      holds: async ([length, kind, rest, cuts]) => {
        const header = Buffer.alloc(5)
        header.writeUInt32BE(length, 0)
        header.writeUInt8(kind, 4)
        const bytes = Buffer.concat([header, rest])
        const known = Object.values(frameKind).some((each) => each === kind)
        try {
          for await (const frame of decodeFrames(pieces(bytes, cuts))) {
            if (!Object.values(frameKind).includes(frame.kind) || frame.payload.length > MAX_PAYLOAD)
              return false
          }
          return true
        } catch (error) {
          if (!(error instanceof Failure)) throw error
          // Waiting for more of a frame that can never be would be waiting for ever.
          return error.code === (known && length <= MAX_PAYLOAD ? error.code : 'malformed-message')
        }
      },
    }))

  test('a journal that somebody wrote into gives entries or nothing', async () => {
    const file = join(folder(), 'journal.jsonl')
    await attack({
      surface: 'Journal',
      inputs: fc.array(hostileJson(['time', 'activation', 'step', 'state', 'detail', 'verdict']), {
        maxLength: 5,
      }),
      runs: [100, 3000],
      holds: async (entries) => {
        writeFileSync(file, entries.join('\n'))
        const read = await readJournal(file, 3)
        return read.length <= 3 && read.every(({ detail }) => typeof detail === 'string')
      },
    })
  })
})

test('PM2’s list is processes of the app, or refused', async () => {
  const installed = folder()
  writeFileSync(join(installed, 'package.json'), '{"name":"pm2","version":"7.0.4","main":"main.cjs"}')
  writeFileSync(
    join(installed, 'main.cjs'),
    `module.exports = { connect: (done) => done(null), disconnect() {}, Client: {
      executeRemote: (method, parameters, done) => done(null, globalThis.pm2Answer) } }`,
  )
  const home = join(installed, 'home')
  // What asks whether the daemon lives gets this process for it.
  mkdirSync(home)
  createServer().listen(join(home, 'rpc.sock')).unref()
  const pm2 = await connectPm2({ version: '7.0.4', path: installed }, home)
  const keys = [
    'pid',
    'pm_id',
    'name',
    'pm2_env',
    'status',
    'restart_time',
    'monit',
    'memory',
    'pm_exec_path',
  ]
  const entry = hostileJson(keys).map((text): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      return text
    }
  })
  const named = entry.map((env) => ({ pm2_env: { ...(env as object), name: 'site' } }))
  const odd = [{ pm2_env: { name: 'site', restart_time: { toString: false } } }]
  ;(globalThis as { pm2Answer?: unknown }).pm2Answer = odd
  expect(await pm2.list('site')).toMatchObject([{ restarts: Number.NaN }])
  await attack({
    surface: 'PM2’s output',
    inputs: fc.oneof(entry, fc.array(fc.oneof(entry, named), { maxLength: 5 })),
    runs: [300, 5000],
    holds: async (answer) => {
      ;(globalThis as { pm2Answer?: unknown }).pm2Answer = answer
      try {
        const list = await pm2.list('site')
        return list.every((each) => typeof each.status === 'string' && typeof each.cwd === 'string')
      } catch (error) {
        return error instanceof Failure && error.code === 'pm2-failed'
      }
    },
  })
})
