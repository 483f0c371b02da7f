import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import ssh2 from 'ssh2'
import { Failure } from '../../src/protocol/failure.ts'
import { normalizePrivateKey } from '../../src/ssh/private-key.ts'

const PASSPHRASE = 'correct horse'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'private-key-'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

let made = 0

/** A key pair by ssh-keygen: the private text, and `type base64` of the public one. */
function keygen(type: string, ...options: string[]): { privateKey: string; publicKey: string } {
  const file = join(folder, `key-${(made += 1)}`)
  const passphrase = options.includes('-N') ? [] : ['-N', '']
  execFileSync('ssh-keygen', ['-q', '-t', type, '-C', '', ...passphrase, ...options, '-f', file])
  return { privateKey: readFileSync(file, 'utf8'), publicKey: readFileSync(`${file}.pub`, 'utf8').trim() }
}

/** The public key that ssh2 sees in what was made of a private key. */
function publicKeyOf(text: string, passphrase?: string): string {
  const key = ssh2.utils.parseKey(normalizePrivateKey(text, passphrase, 'key'), passphrase)
  if (key instanceof Error) throw key
  return `${key.type} ${key.getPublicSSH().toString('base64')}`
}

function failureOf(text: string, passphrase?: string, inputName = 'key'): Failure {
  try {
    normalizePrivateKey(text, passphrase, inputName)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('the key was accepted')
}

/** The public key that ssh-keygen derives from a private key text, by way of a file. */
function derived(text: string): string {
  const file = join(folder, `derived-${(made += 1)}`)
  writeFileSync(file, text, { mode: 0o600 })
  return execFileSync('ssh-keygen', ['-yf', file], { encoding: 'utf8' }).trim()
}

const repairs: readonly (readonly [string, (text: string) => string])[] = [
  ['nothing', (text) => text],
  ['CRLF', (text) => text.replaceAll('\n', '\r\n')],
  ['CR alone', (text) => text.replaceAll('\n', '\r')],
  ['spaces for newlines', (text) => text.replaceAll('\n', ' ')],
  ['no newlines at all', (text) => text.replaceAll('\n', '')],
  ['indentation', (text) => text.replaceAll(/^/gm, '    ')],
  ['literal \\n', (text) => text.replaceAll('\n', '\\n')],
  ['literal \\r\\n', (text) => text.replaceAll('\n', '\\r\\n')],
  ['base64 around it', (text) => Buffer.from(text).toString('base64')],
  ['wrapped base64 around it', (text) => Buffer.from(text).toString('base64').replaceAll(/.{76}/g, '$&\n')],
  ['no final newline', (text) => text.trimEnd()],
  ['double quotes', (text) => `"${text}"`],
  ['single quotes and literal \\n', (text) => `'${text.replaceAll('\n', '\\n')}'`],
  ['blank lines', (text) => `\n\n${text.replaceAll('\n', '\n\n')}`],
  ['a byte order mark', (text) => `\uFEFF${text}`],
]

describe('an OpenSSH key', () => {
  test.each(repairs)('is read with %s', (_damage, apply) => {
    const { privateKey, publicKey } = keygen('ed25519')
    expect(publicKeyOf(apply(privateKey))).toBe(publicKey)
  })

  test.each([
    ['rsa', '2048'],
    ['ecdsa', '256'],
    ['ecdsa', '384'],
    ['ecdsa', '521'],
  ])('may be %s of %s bits', (type, bits) => {
    const { privateKey, publicKey } = keygen(type, '-b', bits)
    expect(publicKeyOf(privateKey)).toBe(publicKey)
  })

  test('may be encrypted, and stays so', () => {
    const { privateKey, publicKey } = keygen('ed25519', '-N', PASSPHRASE)
    expect(publicKeyOf(privateKey.replaceAll('\n', ' '), PASSPHRASE)).toBe(publicKey)
  })
})

describe('a traditional PEM key', () => {
  test.each(['rsa', 'ecdsa'])('of type %s is read', (type) => {
    const { privateKey, publicKey } = keygen(type, '-m', 'PEM')
    expect(publicKeyOf(privateKey)).toBe(publicKey)
  })

  test.each(repairs)('that is encrypted is read with %s', (_damage, apply) => {
    const { privateKey, publicKey } = keygen('ecdsa', '-m', 'PEM', '-N', PASSPHRASE)
    expect(privateKey).toContain('DEK-Info')
    expect(publicKeyOf(apply(privateKey), PASSPHRASE)).toBe(publicKey)
  })
})

describe('a PKCS8 key', () => {
  const pem = { type: 'pkcs8', format: 'pem' } as const
  const pairs = {
    rsa: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    'P-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    'P-521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
    ed25519: () => generateKeyPairSync('ed25519'),
  }

  test.each(['rsa', 'P-256', 'P-521'] as const)('of %s is converted', (kind) => {
    const text = pairs[kind]().privateKey.export(pem).toString()
    expect(publicKeyOf(text)).toBe(derived(text))
  })

  test('of Ed25519 becomes a key that ssh-keygen reads too', () => {
    const { privateKey, publicKey } = pairs.ed25519()
    const converted = normalizePrivateKey(privateKey.export(pem).toString(), undefined, 'key')
    const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
    const line = derived(converted)
    expect(line).toMatch(/^ssh-ed25519 /)
    expect(Buffer.from(line.split(' ')[1] ?? '', 'base64').subarray(-32)).toEqual(raw)
    expect(publicKeyOf(converted)).toBe(line)
  })

  test.each(['rsa', 'ed25519'] as const)('of %s may be encrypted', (kind) => {
    const { privateKey } = pairs[kind]()
    const plain = privateKey.export(pem).toString()
    const text = privateKey.export({ ...pem, cipher: 'aes-256-cbc', passphrase: PASSPHRASE }).toString()
    expect(publicKeyOf(text, PASSPHRASE)).toBe(publicKeyOf(plain))
    expect(failureOf(text).code).toBe('key-passphrase-missing')
    expect(failureOf(text, 'wrong').code).toBe('key-passphrase-wrong')
  })

  test('of a kind that SSH does not know is refused', () => {
    const x25519 = generateKeyPairSync('x25519').privateKey.export(pem).toString()
    const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey.export(pem).toString()
    const koblitz = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export(pem).toString()
    expect(failureOf(x25519).message).toContain('x25519')
    expect([x25519, pss, koblitz].map((text) => failureOf(text).code)).toEqual(
      Array(3).fill('key-type-unsupported'),
    )
  })
})

describe('a key is refused', () => {
  test.each(['', ' \n', '""', '\uFEFF'])('when the input is empty: %j', (text) => {
    expect(failureOf(text).code).toBe('key-empty')
  })

  test('when it is the public one', () => {
    const { publicKey } = keygen('ed25519')
    const pem = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString()
    expect(failureOf(publicKey).code).toBe('key-is-public')
    expect(failureOf(`${publicKey} me@home`).code).toBe('key-is-public')
    expect(failureOf(pem).code).toBe('key-is-public')
  })

  test.each(['~/.ssh/id_ed25519', 'hunter2', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----'])(
    'when it is none: %j',
    (text) => {
      expect(failureOf(text).code).toBe('key-not-a-key')
    },
  )

  test.each(['ed25519', 'rsa', 'ecdsa'])('when a part of an %s key is missing', (type) => {
    const { privateKey } = keygen(type)
    const lines = privateKey.trim().split('\n')
    expect(failureOf(lines.slice(0, -1).join('\n')).code).toBe('key-damaged')
    expect(failureOf([...lines.slice(0, 2), ...lines.slice(3)].join('\n')).code).toBe('key-damaged')
  })

  test('when it is a PuTTY key', () => {
    expect(failureOf('PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none').code).toBe(
      'key-type-unsupported',
    )
  })

  test.each([
    ['OpenSSH', []],
    ['PEM', ['-m', 'PEM']],
  ])('when the passphrase of an %s key is missing or wrong, naming the inputs', (_format, options) => {
    const { privateKey } = keygen('ecdsa', '-N', PASSPHRASE, ...options)
    expect(failureOf(privateKey).code).toBe('key-passphrase-missing')
    expect(failureOf(privateKey, '').code).toBe('key-passphrase-missing')
    const wrong = failureOf(privateKey, 'wrong horse', 'proxy-key')
    expect(wrong.code).toBe('key-passphrase-wrong')
    expect(wrong.message).toContain('proxy-passphrase')
  })

  test('without a word of what was given', () => {
    const { privateKey } = keygen('ed25519', '-N', PASSPHRASE)
    const secret = privateKey.split('\n')[3] ?? ''
    const failures = [
      failureOf(privateKey, 'wrong horse'),
      failureOf(privateKey.slice(0, -20)),
      failureOf(secret),
      failureOf(privateKey.replace(secret, '')),
    ]
    for (const failure of failures) {
      const shown = JSON.stringify(failure.toRecord()) + String(failure.cause)
      expect(shown).not.toContain(secret.slice(0, 12))
      expect(shown).not.toContain('wrong horse')
    }
  })
})
