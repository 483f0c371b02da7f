import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { compareVersions, readTarget, type Target } from '../../src/next/binary.ts'
import { fetchPackage } from '../support/registry.ts'

/** A header and nothing after it, as in <elf.h>. */
function elfHeader(machine: number, { bits = 64, big = false } = {}): Buffer {
  const header = Buffer.alloc(64)
  header.write('\x7fELF', 'latin1')
  header[4] = bits === 64 ? 2 : 1
  header[5] = big ? 2 : 1
  if (big) header.writeUInt16BE(machine, 18)
  else header.writeUInt16LE(machine, 18)
  return header
}

const bare: Omit<Target, 'platform' | 'arch'> = {
  libc: null,
  needsGlibcLoader: false,
  glibc: null,
  abi: null,
}

describe('what a real binary is for', () => {
  const bcrypt: readonly [string, Target][] = [
    [
      'linux-x64-gnu',
      { platform: 'linux', arch: 'x64', libc: 'glibc', needsGlibcLoader: true, glibc: '2.14', abi: null },
    ],
    [
      'linux-x64-musl',
      { platform: 'linux', arch: 'x64', libc: 'musl', needsGlibcLoader: false, glibc: null, abi: null },
    ],
    [
      'linux-arm64-gnu',
      { platform: 'linux', arch: 'arm64', libc: 'glibc', needsGlibcLoader: false, glibc: '2.17', abi: null },
    ],
    [
      'linux-arm64-musl',
      { platform: 'linux', arch: 'arm64', libc: 'musl', needsGlibcLoader: false, glibc: null, abi: null },
    ],
    [
      'linux-arm-gnueabihf',
      { platform: 'linux', arch: 'arm', libc: 'glibc', needsGlibcLoader: true, glibc: '2.4', abi: null },
    ],
    ['android-arm64', { platform: 'android', arch: 'arm64', ...bare }],
    ['freebsd-x64', { platform: 'bsd', arch: 'x64', ...bare }],
    ['darwin-arm64', { platform: 'darwin', arch: 'arm64', ...bare }],
    ['darwin-x64', { platform: 'darwin', arch: 'x64', ...bare }],
    ['win32-x64-msvc', { platform: 'win32', arch: 'x64', ...bare }],
    ['win32-ia32-msvc', { platform: 'win32', arch: 'ia32', ...bare }],
    ['win32-arm64-msvc', { platform: 'win32', arch: 'arm64', ...bare }],
  ]
  test.each(bcrypt)('@node-rs/bcrypt-%s', async (system, target) => {
    const read = await fetchPackage(`@node-rs/bcrypt-${system}@1.10.7`)
    expect(readTarget(read(`bcrypt.${system}.node`))).toEqual(target)
  })

  test('this Node.js', () => {
    const glibc = (process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } })
      .header.glibcVersionRuntime
    const target = readTarget(readFileSync(process.execPath))
    expect(target).toMatchObject({ platform: process.platform, arch: process.arch })
    expect(target?.libc).toBe(glibc === undefined ? 'musl' : 'glibc')
    if (glibc !== undefined) expect(compareVersions(target!.glibc!, glibc)).toBeLessThanOrEqual(0)
  })
})

describe('a header alone tells the machine', () => {
  test.each([
    [62, 64, false, 'x64'],
    [183, 64, false, 'arm64'],
    [243, 64, false, 'riscv64'],
    [22, 64, true, 's390x'],
    [40, 32, false, 'arm'],
    [3, 32, false, 'ia32'],
    [0x1234, 64, false, 'machine 0x1234'],
  ])('%i, %i bits, big-endian %s: %s', (machine, bits, big, arch) => {
    expect(readTarget(elfHeader(machine, { bits, big }))).toEqual({ platform: 'linux', arch, ...bare })
  })

  test('also of a file that was cut off anywhere', async () => {
    const whole = (await fetchPackage('@node-rs/bcrypt-linux-x64-gnu@1.10.7'))('bcrypt.linux-x64-gnu.node')
    for (const length of [64, 100, 400, 600, 1000, 5000, whole.length >> 1]) {
      expect(readTarget(whole.subarray(0, length))).toMatchObject({ platform: 'linux', arch: 'x64' })
    }
  })

  test('a universal binary of macOS', () => {
    const header = Buffer.alloc(64)
    header.writeUInt32BE(0xcafebabe)
    expect(readTarget(header)).toMatchObject({ platform: 'darwin', arch: 'universal' })
  })
})

test('a module without Node-API has the version it was compiled for', () => {
  const content = Buffer.concat([elfHeader(62), Buffer.from('\0node_register_module_v127\0')])
  expect(readTarget(content)?.abi).toBe('127')
})

test.each(['', 'module.exports = {}', '\x7fELF', 'MZ', `MZ${'\0'.repeat(100)}`, 'x'.repeat(100)])(
  'what is no binary has no target: %j',
  (text) => {
    expect(readTarget(Buffer.from(text, 'latin1'))).toBeUndefined()
  },
)

test('versions are compared by their numbers', () => {
  expect(['2.9', '2.28', '2.3.4', '2.17', '2.3'].toSorted(compareVersions)).toEqual([
    '2.3',
    '2.3.4',
    '2.9',
    '2.17',
    '2.28',
  ])
  expect(compareVersions('2.28', '2.28')).toBe(0)
})
