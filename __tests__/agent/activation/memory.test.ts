import { describe, expect, test } from '@jest/globals'
import { cpus } from 'node:os'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { instancesOf } from '../../../src/agent/activation/instances.ts'
import { availableMemory, mayRunTogether } from '../../../src/agent/activation/memory.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()
const MiB = 1024 * 1024
const workers = (...sizes: number[]) => sizes.map((size) => ({ memoryBytes: size * MiB }))

describe('old and new workers run together', () => {
  test('where the new ones have room, each as large as the largest of the old ones and a fifth more', () => {
    expect(mayRunTogether(workers(100, 200), 2, 480 * MiB)).toBe(true)
    expect(mayRunTogether(workers(100, 200), 2, 479 * MiB)).toBe(false)
  })

  test('where nothing runs yet, as far as usual workers have room', () => {
    expect(mayRunTogether([], 4, 1024 * MiB)).toBe(true)
    expect(mayRunTogether(workers(0), 4, 256 * MiB)).toBe(false)
  })

  test('in any case where there is only one: it needs its successor beside it', () => {
    expect(mayRunTogether(workers(900), 1, 10 * MiB)).toBe(true)
  })
})

/** The kernel's files, as they were seen on real machines. */
function kernelWith(files: Readonly<Record<string, string>>) {
  const root = folder()
  const machine = { 'proc/meminfo': `MemTotal: 8388608 kB\nMemAvailable:   ${4096 * 1024} kB\n` }
  for (const [name, content] of Object.entries({ ...machine, ...files })) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), `${content}\n`)
  }
  return { proc: join(root, 'proc'), cgroup: join(root, 'cgroup') }
}

describe('the memory that is available is', () => {
  test('the machine’s, where no control group limits it', () => {
    expect(availableMemory(7, kernelWith({}))).toBe(4096 * MiB)
    const unlimited = { 'proc/7/cgroup': '0::/user.slice', 'cgroup/user.slice/memory.max': 'max' }
    expect(availableMemory(7, kernelWith(unlimited))).toBe(4096 * MiB)
  })

  test('what version 2 leaves PM2’s daemon, in its own group or in one around it', () => {
    const at = kernelWith({
      'proc/7/cgroup': '0::/app.slice/pm2.service',
      'cgroup/app.slice/pm2.service/memory.max': 'max',
      'cgroup/app.slice/pm2.service/memory.current': String(100 * MiB),
      'cgroup/app.slice/memory.max': String(512 * MiB),
      'cgroup/app.slice/memory.high': 'max',
      'cgroup/app.slice/memory.current': String(400 * MiB),
      'cgroup/app.slice/memory.stat': `anon 1\ninactive_file ${50 * MiB}`,
    })
    expect(availableMemory(7, at)).toBe(162 * MiB)
  })

  test('what version 1 leaves, in a container that sees the path of its host', () => {
    const at = kernelWith({
      'proc/7/cgroup': '4:memory:/docker/c1734e6b\n1:cpu,cpuacct:/docker/c1734e6b\n0::/',
      'cgroup/memory/memory.limit_in_bytes': String(512 * MiB),
      'cgroup/memory/memory.usage_in_bytes': String(300 * MiB),
      'cgroup/memory/memory.stat': `inactive_file 0\ntotal_inactive_file ${20 * MiB}`,
    })
    expect(availableMemory(7, at)).toBe(232 * MiB)
  })

  test('nothing, where a group is over its limit', () => {
    const files = { 'memory.max': '1000', 'memory.current': '2000' }
    const inGroup = Object.entries(files).map(([name, text]) => [`cgroup/${name}`, text])
    expect(availableMemory(7, kernelWith({ 'proc/7/cgroup': '0::/', ...Object.fromEntries(inGroup) }))).toBe(
      0,
    )
  })

  test('no more than the machine’s in this very process', () => {
    const [, kilobytes] = /^MemTotal:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8')) ?? []
    expect(availableMemory(process.pid)).toBeGreaterThan(0)
    expect(availableMemory(null)).toBeLessThanOrEqual(Number(kilobytes) * 1024)
  })
})

describe('one worker per core', () => {
  const max = { instances: 0 }
  test('is no more than a control group allows', () => {
    const v2 = kernelWith({ 'proc/self/cgroup': '0::/', 'cgroup/cpu.max': '50000 100000' })
    expect(instancesOf(max, null, v2)).toBe(1)
    const quota = { 'cgroup/cpu/cpu.cfs_quota_us': '100000', 'cgroup/cpu/cpu.cfs_period_us': '100000' }
    expect(instancesOf(max, null, kernelWith({ 'proc/self/cgroup': '1:cpu,cpuacct:/', ...quota }))).toBe(1)
    const none = kernelWith({ 'proc/self/cgroup': '0::/', 'cgroup/cpu.max': 'max 100000' })
    expect(instancesOf(max, null, none)).toBe(cpus().length)
  })
})
