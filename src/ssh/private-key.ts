import { createPrivateKey, type KeyObject, randomBytes } from 'node:crypto'
import ssh2, { type ParsedKey } from 'ssh2'
import { failure } from '../common/errors/connect.ts'
import type { Failure } from '../common/failure.ts'
import { isCertificateType } from './known-hosts.ts'

interface PemBlock {
  /** Such as `OPENSSH PRIVATE KEY`. */
  readonly label: string
  readonly encrypted: boolean
  readonly pem: string
}

/**
 * Converts a private key into a form that ssh2 reads, whatever a secret store did to it: CRLF, one line, indented,
 * literal `\n`, quoted, base64 around the whole, or PKCS8 (ssh2 1.17 reads none of these). Only PKCS8 is decrypted.
 * @param input name of the input, for messages; the key itself is never shown
 * @throws {Failure} `key-empty`, `certificate-unsupported`, `key-is-public`, `key-not-a-key`, `key-damaged`,
 * `key-type-unsupported`, `key-passphrase-missing`, `key-passphrase-wrong`
 */
export function normalizePrivateKey(text: string, passphrase: string | undefined, input: string): string {
  const bare = unquote(text)
  if (bare.startsWith('PuTTY-User-Key-File-')) return convertPutty(bare, passphrase, input)
  const block = findBlock(bare, input)
  const pem =
    block.label.endsWith('ENCRYPTED PRIVATE KEY') || block.label === 'PRIVATE KEY'
      ? convertPkcs8(block, passphrase, input)
      : block.pem
  prove(pem, block.encrypted, passphrase, input)
  return pem
}

function unquote(text: string): string {
  const trimmed = text.replace(/^\uFEFF/, '').trim()
  const bare = /^(["'])([\s\S]*)\1$/.exec(trimmed)?.[2] ?? trimmed
  return bare.replace(/\\r/g, '').replace(/\\n/g, '\n').trim()
}

function findBlock(text: string, input: string): PemBlock {
  if (text === '') throw failure('key-empty', { input })
  const [certificate] = /[a-z0-9-]{1,40}-cert-v0\d@openssh\.com(?= AAAA)/.exec(text) ?? []
  if (certificate !== undefined) throw isCertificate(input, certificate)
  // A public key in front of the private key does no harm.
  const begin = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----/.exec(text)
  if (begin === null) {
    if (/^(ssh-|ecdsa-|sk-)\S+ AAAA|^-{4,5} ?BEGIN [A-Z0-9 ]*PUBLIC KEY/.test(text))
      throw failure('key-is-public', { input })
    const decoded = decodeBase64(text)
    if (!decoded.includes('-----BEGIN ')) throw failure('key-not-a-key', { input })
    return findBlock(unquote(decoded), input)
  }
  const label = begin[1] ?? ''
  const start = begin.index + begin[0].length
  const end = text.indexOf(`-----END ${label}-----`, start)
  if (end < 0) throw damaged(input, `its last line, -----END ${label}-----, is missing`)
  return rewrap(label, text.slice(start, end))
}

function decodeBase64(text: string): string {
  return /^[A-Za-z0-9+/=\s]+$/.test(text) ? Buffer.from(text, 'base64').toString('latin1') : ''
}

function rewrap(label: string, body: string): PemBlock {
  // Keys of old OpenSSL have cipher and IV in two header lines, which must stay lines.
  const header =
    /^\s*Proc-Type:\s*4,ENCRYPTED\s*DEK-Info:\s*(AES-[\w-]+,[\dA-F]{32}|DES-[\w-]+,[\dA-F]{16})/i.exec(body)
  const lines =
    body
      .slice(header?.[0].length ?? 0)
      .replace(/\s+/g, '')
      .match(/.{1,64}/g) ?? []
  const head = header ? ['Proc-Type: 4,ENCRYPTED', `DEK-Info: ${header[1]}`, ''] : []
  const pem = [`-----BEGIN ${label}-----`, ...head, ...lines, `-----END ${label}-----`, ''].join('\n')
  const encrypted =
    header !== null || label.startsWith('ENCRYPTED') || hasOpenSshCipher(label, lines.join(''))
  return { label, encrypted, pem }
}

/** openssh-key-v1 starts with a magic of 15 bytes and the name of its cipher: PROTOCOL.key of OpenSSH. */
function hasOpenSshCipher(label: string, base64: string): boolean {
  if (label !== 'OPENSSH PRIVATE KEY') return false
  return !Buffer.from(base64, 'base64').toString('latin1', 15).startsWith('\0\0\0\x04none')
}

function convertPkcs8(block: PemBlock, passphrase: string | undefined, input: string): string {
  if (block.encrypted && !passphrase) throw passphraseMissing(input)
  const key = readPkcs8(block, passphrase, input)
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return key.export({ type: 'pkcs1', format: 'pem' }).toString()
    case 'ec':
      return key.export({ type: 'sec1', format: 'pem' }).toString()
    case 'ed25519':
      return openSshEd25519(key)
    default:
      throw unsupported(input, key.asymmetricKeyType ?? 'unknown')
  }
}

function readPkcs8(block: PemBlock, passphrase: string | undefined, input: string): KeyObject {
  try {
    return createPrivateKey({ key: block.pem, format: 'pem', ...(passphrase ? { passphrase } : {}) })
  } catch (error) {
    // OpenSSL 3 dropped the ciphers of old PKCS8 files.
    if (/envelope routines::unsupported/.test((error as Error).message)) {
      throw unsupported(input, 'encrypted by a cipher of the past')
    }
    throw block.encrypted ? passphraseWrong(input) : damaged(input, 'its content is not a key')
  }
}

/** ssh2 (1.17) reads only RSA keys in PuTTY's older format. */
function convertPutty(text: string, passphrase: string | undefined, input: string): string {
  const encrypted = !/^Encryption: none$/m.test(text)
  const readable = /^PuTTY-User-Key-File-2: ssh-rsa$/m.test(text)
  if (!readable) throw failure('key-type-unsupported: PuTTY', { input })
  if (encrypted && !passphrase) throw passphraseMissing(input)
  // ssh2 refuses a passphrase for a key that needs none.
  const key = ssh2.utils.parseKey(text.replaceAll('\r', ''), encrypted ? passphrase : undefined)
  if (!(key instanceof Error)) return key.getPrivatePEM()
  throw encrypted ? passphraseWrong(input) : damaged(input, 'its check sum does not fit')
}

/** ssh2 reads Ed25519 only in OpenSSH's own format; the layout is in PROTOCOL.key of OpenSSH. */
function openSshEd25519(key: KeyObject): string {
  const { x = '', d = '' } = key.export({ format: 'jwk' })
  const publicKey = Buffer.from(x, 'base64url')
  const publicBlob = Buffer.concat([string('ssh-ed25519'), string(publicKey)])
  const check = randomBytes(4)
  const secret = Buffer.concat([
    check,
    check,
    publicBlob,
    string(Buffer.concat([Buffer.from(d, 'base64url'), publicKey])),
    string(''),
  ])
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8].slice(0, (8 - (secret.length % 8)) % 8))
  const whole = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    string('none'),
    string('none'),
    string(''),
    uint32(1),
    string(publicBlob),
    string(Buffer.concat([secret, padding])),
  ])
  return rewrap('OPENSSH PRIVATE KEY', whole.toString('base64')).pem
}

function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([uint32(bytes.length), bytes])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Signs with the key and verifies the signature: a wrong passphrase or a truncated key can parse by chance. */
function prove(pem: string, encrypted: boolean, passphrase: string | undefined, input: string): void {
  if (encrypted && !passphrase) throw passphraseMissing(input)
  // The types do not say so, but ssh2 (1.17) returns nothing for a file without a key.
  const key = ssh2.utils.parseKey(pem, passphrase) as ParsedKey | Error | undefined
  if (key === undefined) throw damaged(input, 'it holds no key')
  if (!('sign' in key)) {
    // ssh2 (1.17) has this cipher for connections only, and fails here with another error.
    if (/initialization vector/.test(key.message)) throw unsupported(input, 'chacha20-poly1305')
    const type = /^Unsupported .*: ([\w@.-]+)$|^Cipher \(([\w@.-]+)\) not supported/.exec(key.message)
    const name = type?.[1] ?? type?.[2]
    if (name !== undefined && isCertificateType(name)) throw isCertificate(input, name)
    if (type) throw unsupported(input, name ?? 'unknown')
    throw encrypted ? passphraseWrong(input) : damaged(input, 'its content is not a key')
  }
  if (key.type === 'ssh-dss') throw unsupported(input, key.type)
  const challenge = Buffer.from('gapless')
  // The type says Buffer; ssh2 returns an Error for a key that cannot sign.
  const signature: Buffer | Error = key.sign(challenge)
  const verified: boolean | Error = signature instanceof Error ? signature : key.verify(challenge, signature)
  if (verified !== true) throw encrypted ? passphraseWrong(input) : damaged(input, 'it cannot sign')
}

function passphraseOf(input: string): string {
  return input.replace(/key$/, 'passphrase')
}

function isCertificate(input: string, type: string): Failure {
  return failure('certificate-unsupported', { input, type })
}

function unsupported(input: string, type: string): Failure {
  return failure('key-type-unsupported', { input, type })
}

function damaged(input: string, reason: string): Failure {
  return failure('key-damaged', { input, reason })
}

function passphraseMissing(input: string): Failure {
  return failure('key-passphrase-missing', { input, passphraseInput: passphraseOf(input) })
}

function passphraseWrong(input: string): Failure {
  return failure('key-passphrase-wrong', { input, passphraseInput: passphraseOf(input) })
}
