import { execFileSync } from 'node:child_process'
import { createCipheriv, createHash, createHmac, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import ssh2 from 'ssh2'
import { Failure } from '../../src/common/failure.ts'
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

/** A certificate of a key, by an authority of its own. */
function certify(privateKey: string): string {
  const [authority, file] = [join(folder, `ca-${(made += 1)}`), join(folder, `certified-${made}`)]
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', authority])
  writeFileSync(file, privateKey, { mode: 0o600 })
  writeFileSync(`${file}.pub`, execFileSync('ssh-keygen', ['-yf', file]))
  execFileSync('ssh-keygen', ['-q', '-s', authority, '-I', 'test', '-n', 'deploy', `${file}.pub`])
  return readFileSync(`${file}-cert.pub`, 'utf8')
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

/** An RSA key as PuTTY wrote it up to version 0.74. */
function puttyKey(passphrase = ''): { text: string; publicKey: string } {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { e = '', n = '', d = '', p = '', q = '', qi = '' } = privateKey.export({ format: 'jwk' })
  const field = (bytes: Buffer) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  const number = (text: string) => {
    const bytes = Buffer.from(text, 'base64url')
    return field((bytes[0] ?? 0) > 127 ? Buffer.concat([Buffer.of(0), bytes]) : bytes)
  }
  const open = Buffer.concat([field(Buffer.from('ssh-rsa')), number(e), number(n)])
  const secret = Buffer.concat([d, p, q, qi].map(number))
  const sha1 = (...parts: (string | Buffer)[]) =>
    parts.reduce((hash, part) => hash.update(part), createHash('sha1')).digest()
  const encryption = passphrase === '' ? 'none' : 'aes256-cbc'
  const padded = Buffer.concat([secret, sha1(secret).subarray(0, (16 - (secret.length % 16)) % 16)])
  const closed = passphrase === '' ? secret : padded
  const key = Buffer.concat([0, 1].map((index) => sha1(Buffer.of(0, 0, 0, index), passphrase))).subarray(
    0,
    32,
  )
  const cipher = createCipheriv('aes-256-cbc', key, Buffer.alloc(16)).setAutoPadding(false)
  const stored = passphrase === '' ? secret : Buffer.concat([cipher.update(closed), cipher.final()])
  const mac = createHmac('sha1', sha1('putty-private-key-file-mac-key', passphrase))
    .update(Buffer.concat(['ssh-rsa', encryption, 'made here'].map((each) => field(Buffer.from(each)))))
    .update(Buffer.concat([field(open), field(closed)]))
    .digest('hex')
  const lines = (bytes: Buffer) => bytes.toString('base64').match(/.{1,64}/g) ?? []
  const text = [
    'PuTTY-User-Key-File-2: ssh-rsa',
    `Encryption: ${encryption}`,
    'Comment: made here',
    `Public-Lines: ${lines(open).length}`,
    ...lines(open),
    `Private-Lines: ${lines(stored).length}`,
    ...lines(stored),
    `Private-MAC: ${mac}`,
    '',
  ]
  return { text: text.join('\r\n'), publicKey: `ssh-rsa ${open.toString('base64')}` }
}

describe('a PuTTY key of version 2', () => {
  test.each(['', PASSPHRASE])('is read, with the passphrase %j', (passphrase) => {
    const { text, publicKey } = puttyKey(passphrase)
    expect(publicKeyOf(text, passphrase === '' ? undefined : passphrase)).toBe(publicKey)
    expect(publicKeyOf(text.replaceAll('\r\n', '\\n'), PASSPHRASE)).toBe(publicKey)
  })

  test('is refused with what is wrong with it', () => {
    expect(failureOf(puttyKey(PASSPHRASE).text).code).toBe('key-passphrase-missing')
    expect(failureOf(puttyKey(PASSPHRASE).text, 'wrong').code).toBe('key-passphrase-wrong')
    expect(failureOf(puttyKey().text.replace('made here', 'changed')).code).toBe('key-damaged')
  })
})

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

describe('what stands around a key', () => {
  test('may be its public key, in front of it or behind it', () => {
    const { privateKey, publicKey } = keygen('ed25519')
    expect(publicKeyOf(`${publicKey} me@home\n${privateKey}`)).toBe(publicKey)
    expect(publicKeyOf(`${privateKey}\n${publicKey}\n`)).toBe(publicKey)
    const pem = '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n'
    expect(publicKeyOf(pem + privateKey)).toBe(publicKey)
  })

  test('is no certificate, which is not supported yet', () => {
    const { privateKey } = keygen('ed25519')
    const certificate = certify(privateKey)
    for (const text of [certificate, `${certificate}\n${privateKey}`, privateKey + certificate]) {
      const failure = failureOf(text)
      expect(failure.code).toBe('certificate-unsupported')
      expect(failure.message).toContain('ssh-ed25519-cert-v01@openssh.com')
      expect(failure.message).not.toContain('AAAA')
    }
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

  test('when OpenSSH encrypted it by a cipher that ssh2 does not know for keys', () => {
    const { privateKey } = keygen('ed25519', '-N', PASSPHRASE, '-Z', 'chacha20-poly1305@openssh.com')
    const failure = failureOf(privateKey, PASSPHRASE)
    expect(failure.code).toBe('key-type-unsupported')
    expect(failure.message).toContain('chacha20-poly1305')
  })

  test('when PKCS8 encrypted it by a cipher that OpenSSL has left behind', () => {
    const { privateKey } = keygen('rsa', '-b', '2048', '-m', 'PEM')
    const legacy = ['-provider', 'legacy', '-provider', 'default']
    const old = execFileSync(
      'openssl',
      ['pkcs8', '-topk8', '-v1', 'PBE-MD5-DES', '-passout', `pass:${PASSPHRASE}`, ...legacy],
      { input: privateKey, encoding: 'utf8' },
    )
    expect(failureOf(old, PASSPHRASE)).toMatchObject({
      code: 'key-type-unsupported',
      message: expect.stringContaining('cipher of the past'),
    })
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
