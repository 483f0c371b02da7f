import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Failure } from '../../src/common/failure.ts'
import { fingerprintOf, hostKeyPolicy } from '../../src/ssh/host-key.ts'
import type { HostIdentity } from '../../src/ssh/host-key.ts'

interface TestKey {
  /** `type base64` */
  readonly line: string
  readonly blob: Buffer
  /** As ssh-keygen prints it. */
  readonly fingerprint: string
}

let folder: string
let ed25519: TestKey
let ecdsa: TestKey
let rsa: TestKey

function makeKey(type: string): TestKey {
  const file = join(folder, type)
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', file])
  const line = readFileSync(`${file}.pub`, 'utf8').trim()
  const listing = execFileSync('ssh-keygen', ['-lf', `${file}.pub`], { encoding: 'utf8' })
  return {
    line,
    blob: Buffer.from(line.split(' ')[1] ?? '', 'base64'),
    fingerprint: listing.split(' ')[1] ?? '',
  }
}

function policy(inputs: Partial<HostIdentity>, port = 22) {
  return hostKeyPolicy({ fingerprints: [], ...inputs }, 'example.com', port)
}

function refusal(inputs: Partial<HostIdentity>, offered: TestKey, port = 22): Failure {
  const verdict = policy(inputs, port).verify(offered.blob)
  if (verdict instanceof Failure) return verdict
  throw new Error('the key was accepted')
}

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof Failure) return error.code
    throw error
  }
  return 'none'
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'host-key-'))
  ed25519 = makeKey('ed25519')
  ecdsa = makeKey('ecdsa')
  rsa = makeKey('rsa')
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a host key', () => {
  test('has the fingerprint that ssh-keygen prints', () => {
    expect(fingerprintOf(rsa.blob)).toBe(rsa.fingerprint)
  })

  test('is accepted when known_hosts holds it', () => {
    expect(policy({ knownHosts: `example.com ${ed25519.line}` }).verify(ed25519.blob)).toBe(true)
  })

  test('is accepted when one of the fingerprints is its own, padded or not', () => {
    expect(policy({ fingerprints: [rsa.fingerprint, ed25519.fingerprint] }).verify(ed25519.blob)).toBe(true)
    expect(policy({ fingerprints: [`${ed25519.fingerprint}=`] }).verify(ed25519.blob)).toBe(true)
  })

  test('is refused when another one is expected, with all that is needed to judge', () => {
    const failure = refusal({ knownHosts: `[example.com]:2222 ${ed25519.line}` }, ecdsa, 2222)
    expect(failure.code).toBe('host-key-mismatch')
    expect(failure.message).toContain(`ecdsa-sha2-nistp256 ${ecdsa.fingerprint}`)
    expect(failure.message).toContain(`ssh-ed25519 ${ed25519.fingerprint}`)
    expect(failure.message).toContain('attack')
    expect(failure.remedy).toContain('ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub')
    expect(failure.remedy).toContain(`[example.com]:2222 ${ecdsa.line}`)
  })

  test('is accepted once the line that the refusal prints is pasted', () => {
    const line = refusal({ fingerprints: [rsa.fingerprint] }, ecdsa, 2222).evidence ?? ''
    expect(policy({ knownHosts: line }, 2222).verify(ecdsa.blob)).toBe(true)
  })

  test('is refused when the host is unknown', () => {
    expect(refusal({ knownHosts: `example.org ${ed25519.line}` }, ed25519).code).toBe('host-key-unknown')
  })

  test('is refused when it is revoked, even if its fingerprint is given', () => {
    const inputs = { knownHosts: `@revoked * ${rsa.line}`, fingerprints: [rsa.fingerprint] }
    expect(refusal(inputs, rsa).code).toBe('host-key-revoked')
  })
})

describe('the inputs', () => {
  test('must say something about the host', () => {
    expect(codeOf(() => policy({}))).toBe('host-identity-missing')
    expect(codeOf(() => policy({ knownHosts: '# nothing\n' }))).toBe('host-identity-missing')
  })

  test.each(['', 'SHA256:', 'MD5:aa:bb', 'SHA256:abc', '256 SHA256:abc root@host (ED25519)'])(
    'refuse %j as a fingerprint',
    (fingerprint) => {
      expect(codeOf(() => policy({ fingerprints: [fingerprint] }))).toBe('fingerprint-malformed')
    },
  )

  test('refuse a certificate authority only when nothing else is known of the host', () => {
    const authority = `@cert-authority *.com ${rsa.line}`
    expect(codeOf(() => policy({ knownHosts: authority }))).toBe('host-certificate-unsupported')
    const inputs = { knownHosts: `${authority}\nexample.com ${ed25519.line}` }
    expect(policy(inputs).verify(ed25519.blob)).toBe(true)
    expect(refusal(inputs, rsa).code).toBe('host-key-mismatch')
  })
})

describe('the server is asked for', () => {
  test('the key types that known_hosts holds', () => {
    const knownHosts = `example.com ${rsa.line}\nexample.com ${ecdsa.line}`
    expect(policy({ knownHosts }).algorithms).toEqual(['ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256'])
  })

  test('these first, then all others, when fingerprints of unknown type are given too', () => {
    const inputs = { knownHosts: `example.com ${ecdsa.line}`, fingerprints: [rsa.fingerprint] }
    expect(policy(inputs).algorithms.slice(0, 3)).toEqual([
      'ecdsa-sha2-nistp256',
      'ssh-ed25519',
      'ecdsa-sha2-nistp384',
    ])
    expect(policy(inputs).algorithms).toContain('rsa-sha2-512')
  })

  test('any type when only fingerprints are given', () => {
    expect(policy({ fingerprints: [rsa.fingerprint] }).algorithms).toHaveLength(6)
  })

  test('never signatures by SHA-1', () => {
    for (const inputs of [{ knownHosts: `example.com ${rsa.line}` }, { fingerprints: [rsa.fingerprint] }]) {
      expect(policy(inputs).algorithms).not.toContain('ssh-rsa')
    }
  })

  test('another type, after a fingerprint did not match, until there is none left', () => {
    let asked: ReturnType<typeof policy> | undefined = policy({ fingerprints: [rsa.fingerprint] })
    const left: number[] = []
    for (const type of ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521']) {
      asked = asked?.without(type)
      left.push(asked?.algorithms.length ?? 0)
    }
    expect(left).toEqual([5, 4, 3, 2])
    expect(asked?.algorithms).toEqual(['rsa-sha2-512', 'rsa-sha2-256'])
    expect(asked?.verify(rsa.blob)).toBe(true)
    expect(asked?.without('ssh-rsa')).toBeUndefined()
  })

  test('nothing else than what it was asked for, when known_hosts names the type', () => {
    expect(policy({ knownHosts: `example.com ${rsa.line}` }).without('ssh-rsa')).toBeUndefined()
  })
})
