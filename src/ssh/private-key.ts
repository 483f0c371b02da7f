import { createPrivateKey, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import ssh2 from 'ssh2'
import type { ParsedKey } from 'ssh2'
import { Failure } from '../common/failure.ts'
import { isCertificateType } from './known-hosts.ts'

interface PemBlock {
  /** Such as `OPENSSH PRIVATE KEY`. */
  readonly label: string
  readonly encrypted: boolean
  readonly pem: string
}

/**
 * Brings a private key into a form that ssh2 reads, whatever a secret store did to it: CRLF, one line,
 * indented, literal `\n`, quoted, base64 around the whole, or PKCS8 (ssh2 1.17 refuses all but the first).
 * An OpenSSH or traditional key stays encrypted; PKCS8 comes back without its passphrase.
 *
 * @param inputName the input that the text came from, for messages; the text itself is never shown
 * @throws {Failure} `key-empty`, `certificate-unsupported`, `key-is-public`, `key-not-a-key`, `key-damaged`, `key-type-unsupported`,
 *   `key-passphrase-missing`, `key-passphrase-wrong`
 */
export function normalizePrivateKey(text: string, passphrase: string | undefined, inputName: string): string {
  const bare = unquote(text)
  if (bare.startsWith('PuTTY-User-Key-File-')) return convertPutty(bare, passphrase, inputName)
  const block = findBlock(bare, inputName)
  const pem =
    block.label.endsWith('ENCRYPTED PRIVATE KEY') || block.label === 'PRIVATE KEY'
      ? convertPkcs8(block, passphrase, inputName)
      : block.pem
  prove(pem, block.encrypted, passphrase, inputName)
  return pem
}

function unquote(text: string): string {
  const trimmed = text.replace(/^\uFEFF/, '').trim()
  const bare = /^(["'])([\s\S]*)\1$/.exec(trimmed)?.[2] ?? trimmed
  return bare.replace(/\\r/g, '').replace(/\\n/g, '\n').trim()
}

function findBlock(text: string, inputName: string): PemBlock {
  if (text === '') throw empty(inputName)
  const [certificate] = /[a-z0-9-]{1,40}-cert-v0\d@openssh\.com(?= AAAA)/.exec(text) ?? []
  if (certificate !== undefined) throw isCertificate(inputName, certificate)
  // A public key in front of it does no harm.
  const begin = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----/.exec(text)
  if (begin === null) {
    if (/^(ssh-|ecdsa-|sk-)\S+ AAAA|^-{4,5} ?BEGIN [A-Z0-9 ]*PUBLIC KEY/.test(text)) throw isPublic(inputName)
    const decoded = decodeBase64(text)
    if (!decoded.includes('-----BEGIN ')) throw notAKey(inputName)
    return findBlock(unquote(decoded), inputName)
  }
  const label = begin[1] ?? ''
  const start = begin.index + begin[0].length
  const end = text.indexOf(`-----END ${label}-----`, start)
  if (end < 0) throw damaged(inputName, `its last line, -----END ${label}-----, is missing`)
  return rewrap(label, text.slice(start, end))
}

function decodeBase64(text: string): string {
  return /^[A-Za-z0-9+/=\s]+$/.test(text) ? Buffer.from(text, 'base64').toString('latin1') : ''
}

function rewrap(label: string, body: string): PemBlock {
  // Keys of old OpenSSL carry cipher and IV in two header lines, which must stay lines of their own.
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

/** openssh-key-v1 begins with a magic of 15 bytes and the name of its cipher: PROTOCOL.key of OpenSSH. */
function hasOpenSshCipher(label: string, base64: string): boolean {
  if (label !== 'OPENSSH PRIVATE KEY') return false
  return !Buffer.from(base64, 'base64').toString('latin1', 15).startsWith('\0\0\0\x04none')
}

function convertPkcs8(block: PemBlock, passphrase: string | undefined, inputName: string): string {
  if (block.encrypted && !passphrase) throw passphraseMissing(inputName)
  const key = readPkcs8(block, passphrase, inputName)
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return key.export({ type: 'pkcs1', format: 'pem' }).toString()
    case 'ec':
      return key.export({ type: 'sec1', format: 'pem' }).toString()
    case 'ed25519':
      return openSshEd25519(key)
    default:
      throw unsupported(inputName, key.asymmetricKeyType ?? 'unknown')
  }
}

function readPkcs8(block: PemBlock, passphrase: string | undefined, inputName: string): KeyObject {
  try {
    return createPrivateKey({ key: block.pem, format: 'pem', ...(passphrase ? { passphrase } : {}) })
  } catch (error) {
    // OpenSSL 3 left the ciphers of old PKCS8 files behind.
    if (/envelope routines::unsupported/.test((error as Error).message)) {
      throw unsupported(inputName, 'encrypted by a cipher of the past')
    }
    throw block.encrypted ? passphraseWrong(inputName) : damaged(inputName, 'its content is not a key')
  }
}

/** ssh2 (1.17) reads PuTTY's older format, and of it RSA keys alone. */
function convertPutty(text: string, passphrase: string | undefined, inputName: string): string {
  const encrypted = !/^Encryption: none$/m.test(text)
  const readable = /^PuTTY-User-Key-File-2: ssh-rsa$/m.test(text)
  if (!readable) throw putty(inputName)
  if (encrypted && !passphrase) throw passphraseMissing(inputName)
  // Given for a key that needs none, it would count against the key.
  const key = ssh2.utils.parseKey(text.replaceAll('\r', ''), encrypted ? passphrase : undefined)
  if (!(key instanceof Error)) return key.getPrivatePEM()
  throw encrypted ? passphraseWrong(inputName) : damaged(inputName, 'its check sum does not fit')
}

/** ssh2 reads Ed25519 in OpenSSH's own format only; the layout is in PROTOCOL.key of OpenSSH. */
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

/** Signs with the key and checks the signature: a wrong passphrase or a cut key can parse by chance. */
function prove(pem: string, encrypted: boolean, passphrase: string | undefined, inputName: string): void {
  if (encrypted && !passphrase) throw passphraseMissing(inputName)
  // The type does not tell: for a file that holds no key ssh2 (1.17) returns nothing.
  const key = ssh2.utils.parseKey(pem, passphrase) as ParsedKey | Error | undefined
  if (key === undefined) throw damaged(inputName, 'it holds no key')
  if (!('sign' in key)) {
    // ssh2 (1.17) knows this cipher for connections only, and trips over it here.
    if (/initialization vector/.test(key.message)) throw unsupported(inputName, 'chacha20-poly1305')
    const type = /^Unsupported .*: ([\w@.-]+)$|^Cipher \(([\w@.-]+)\) not supported/.exec(key.message)
    const name = type?.[1] ?? type?.[2]
    if (name !== undefined && isCertificateType(name)) throw isCertificate(inputName, name)
    if (type) throw unsupported(inputName, name ?? 'unknown')
    throw encrypted ? passphraseWrong(inputName) : damaged(inputName, 'its content is not a key')
  }
  if (key.type === 'ssh-dss') throw unsupported(inputName, key.type)
  const challenge = Buffer.from('gapless')
  // The type says Buffer; ssh2 returns an Error for a key that cannot sign.
  const signature: Buffer | Error = key.sign(challenge)
  const verified: boolean | Error = signature instanceof Error ? signature : key.verify(challenge, signature)
  if (verified !== true) {
    throw encrypted ? passphraseWrong(inputName) : damaged(inputName, 'it cannot sign')
  }
}

const ACCEPTED = 'an RSA, ECDSA or Ed25519 private key, from -----BEGIN … to -----END …, is accepted'

function passphraseInput(inputName: string): string {
  return inputName.replace(/key$/, 'passphrase')
}

function empty(inputName: string): Failure {
  return new Failure('key-empty', `The input ${inputName} is empty: ${ACCEPTED}.`, {
    remedy:
      'Check the name of the secret. Secrets are empty in workflows that a fork or Dependabot triggers.',
  })
}

function isPublic(inputName: string): Failure {
  return new Failure('key-is-public', `The input ${inputName} holds a public key: ${ACCEPTED}.`, {
    remedy: 'Use the file without .pub; the public key belongs into ~/.ssh/authorized_keys on the server.',
  })
}

function isCertificate(inputName: string, type: string): Failure {
  return new Failure(
    'certificate-unsupported',
    `The input ${inputName} holds a user certificate (${type}), and certificates are not supported yet.`,
    {
      remedy:
        'Give the private key alone, and put its public key into ~/.ssh/authorized_keys on the server: ' +
        'TrustedUserCAKeys does not let it in.',
    },
  )
}

function notAKey(inputName: string): Failure {
  return new Failure('key-not-a-key', `The input ${inputName} holds no private key: ${ACCEPTED}.`, {
    remedy: 'Paste the content of the key file into the secret, not its path or its name.',
  })
}

function putty(inputName: string): Failure {
  return new Failure('key-type-unsupported', `The input ${inputName} holds a PuTTY key: ${ACCEPTED}.`, {
    remedy: 'Convert it: puttygen key.ppk -O private-openssh -o key.',
  })
}

function unsupported(inputName: string, type: string): Failure {
  return new Failure(
    'key-type-unsupported',
    `The key in the input ${inputName} is of the unsupported type ${type}: ${ACCEPTED}.`,
    { remedy: 'Make a new one for deploys: ssh-keygen -t ed25519 -N "" -f deploy_key.' },
  )
}

function damaged(inputName: string, reason: string): Failure {
  return new Failure('key-damaged', `The key in the input ${inputName} is damaged: ${reason}.`, {
    remedy: 'Paste the whole key file again, including its first and its last line.',
  })
}

function passphraseMissing(inputName: string): Failure {
  const input = passphraseInput(inputName)
  return new Failure(
    'key-passphrase-missing',
    `The key in the input ${inputName} is encrypted and ${input} is empty.`,
    {
      remedy: `Set ${input}, or use a key without a passphrase.`,
    },
  )
}

function passphraseWrong(inputName: string): Failure {
  const input = passphraseInput(inputName)
  return new Failure(
    'key-passphrase-wrong',
    `The input ${input} does not open the key in the input ${inputName}.`,
    {
      remedy:
        'Check with `ssh-keygen -yf <key file>`, which asks for the passphrase. The key may also be damaged.',
    },
  )
}
