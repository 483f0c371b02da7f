import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Failure } from '../../src/common/failure.ts'
import { keyType, matchHost, parseKnownHosts } from '../../src/ssh/known-hosts.ts'

let folder: string
/** `type base64` of two different keys. */
let keyA: string
let keyB: string

function publicKey(name: string, type: string): string {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', join(folder, name)])
  return readFileSync(join(folder, `${name}.pub`), 'utf8').trim()
}

/** The blobs that a text accepts for a host, as `type base64`. */
function accepted(text: string, host: string, port = 22): string[] {
  return matchHost(parseKnownHosts(text), host, port).accepted.map(
    ({ type, key }) => `${type} ${key.toString('base64')}`,
  )
}

function failureOf(action: () => unknown): Failure {
  try {
    action()
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'known-hosts-'))
  keyA = publicKey('a', 'ed25519')
  keyB = publicKey('b', 'ecdsa')
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a known_hosts line', () => {
  test('holds for the host it names, in any case, and for no other', () => {
    expect(accepted(`Example.com ${keyA} a comment`, 'example.COM')).toEqual([keyA])
    expect(accepted(`example.com ${keyA}`, 'example.org')).toEqual([])
    expect(accepted(`example.com ${keyA}`, 'www.example.com')).toEqual([])
    expect(accepted(`example.com ${keyA}`, 'exampleXcom')).toEqual([])
  })

  test('may name several hosts', () => {
    const text = `one,two,192.0.2.7 ${keyA}`
    expect(accepted(text, 'two')).toEqual([keyA])
    expect(accepted(text, '192.0.2.7')).toEqual([keyA])
    expect(accepted(text, 'three')).toEqual([])
  })

  test('may use wildcards, and ! takes hosts out again', () => {
    const text = `*.example.com,!db?.example.com ${keyA}`
    expect(accepted(text, 'web.example.com')).toEqual([keyA])
    expect(accepted(text, 'db10.example.com')).toEqual([keyA])
    expect(accepted(text, 'db1.example.com')).toEqual([])
    expect(accepted(`!db ${keyA}`, 'web')).toEqual([])
  })

  test('with a port holds for that port alone', () => {
    const text = `[example.com]:2222 ${keyA}`
    expect(accepted(text, 'example.com', 2222)).toEqual([keyA])
    expect(accepted(text, 'example.com', 22)).toEqual([])
    expect(accepted(text, 'example.com', 2223)).toEqual([])
  })

  test('without a port holds for another port only when that has no line of its own, as in ssh(1)', () => {
    expect(accepted(`example.com ${keyA}`, 'example.com', 2222)).toEqual([keyA])
    expect(accepted(`example.com ${keyA}\n[example.com]:2222 ${keyB}`, 'example.com', 2222)).toEqual([keyB])
  })

  test('may be hashed by ssh-keygen -H', () => {
    const file = join(folder, 'hashed')
    writeFileSync(file, `example.com ${keyA}\n[example.com]:2222 ${keyB}\n`)
    execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' })
    const text = readFileSync(file, 'utf8')
    expect(text).not.toContain('example')
    expect(accepted(text, 'Example.com')).toEqual([keyA])
    expect(accepted(text, 'example.com', 2222)).toEqual([keyB])
    expect(accepted(text, 'example.org')).toEqual([])
  })

  test('marked @revoked takes a key back and accepts nothing', () => {
    const { accepted: keys, revoked } = matchHost(parseKnownHosts(`@revoked * ${keyA}`), 'example.com', 22)
    expect(keys).toEqual([])
    expect(revoked.map((key) => key.toString('base64'))).toContain(keyA.split(' ')[1])
  })

  test('marked @cert-authority accepts nothing, and is reported for the hosts it names', () => {
    const entries = parseKnownHosts(`@cert-authority *.example.com ${keyA}`)
    expect(matchHost(entries, 'web.example.com', 22)).toEqual({
      accepted: [],
      revoked: [],
      certAuthority: true,
    })
    expect(matchHost(entries, 'example.org', 22).certAuthority).toBe(false)
  })
})

describe('a known_hosts text', () => {
  test('may have comments, blank lines, CRLF, tabs and indentation', () => {
    const text = `# servers\r\n\r\n  example.com\t${keyA}\r\n\texample.com ${keyB} root@host\r\n`
    expect(accepted(text, 'example.com')).toEqual([keyA, keyB])
    expect(parseKnownHosts(text).map(({ line }) => line)).toEqual([3, 4])
  })

  test.each([
    ['a missing key', () => 'example.com ssh-ed25519'],
    ['an unknown marker', () => `@trusted example.com ${keyA}`],
    ['a key that is cut', () => `example.com ${keyA.slice(0, -30)}*`],
    ['a key of another type than it says', () => `example.com ${keyA.replace('ssh-ed25519', 'ssh-rsa')}`],
    ['a hash that is none', () => `|1|abc|def ${keyA}`],
  ])('is refused for %s, naming the line', (_what, line) => {
    const failure = failureOf(() => parseKnownHosts(`# first\nexample.com ${keyA}\n${line()}\n`))
    expect(failure.code).toBe('known-hosts-malformed')
    expect(failure.message).toContain('Line 3')
  })
})

test.each(['ssh-ed25519\n* ssh-rsa', 'a b', '\u001b[2J', '', 'x'.repeat(65)])(
  'the type that a server’s key names has no character that types have not: %j',
  (type) => {
    const name = Buffer.from(type, 'latin1')
    const length = Buffer.alloc(4)
    length.writeUInt32BE(name.length)
    expect(keyType(Buffer.concat([length, name, Buffer.alloc(40)]))).toBeUndefined()
  },
)
