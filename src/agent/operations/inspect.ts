/** What the action needs to know of the server before it builds anything. */
import { readFileSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { relative } from 'node:path'
import type { ServerFacts } from '../../protocol/messages.ts'
import { assertPm2HomeWritable, assertWritable } from '../system/access.ts'
import { interruptedActivation } from '../activation/interrupted.ts'
import { nearestExisting } from '../system/files.ts'
import type { Pm2Search } from '../pm2/find.ts'
import type { Layout } from '../store/layout.ts'
import { lockHolder } from '../system/lock.ts'
import { bootId } from '../system/processes.ts'
import { liveRelease, newestId } from '../store/releases.ts'
import { servingRelease } from '../pm2/serving.ts'
import { assertTrusted } from '../store/trust.ts'

/** @throws Failure `path-not-writable`, `path-unsafe`, `current-not-a-link`, `pm2-foreign` */
export async function inspectServer(
  layout: Layout,
  search: Pm2Search,
  pm2Home: string,
): Promise<ServerFacts> {
  const standing = nearestExisting(layout.base)
  assertWritable(layout.base)
  assertPm2HomeWritable(pm2Home)
  assertTrusted(layout)
  const { bavail, bsize } = await statfs(standing)
  const { found, searched } = search
  return {
    node: process.versions.node,
    nodePath: process.execPath,
    nodeAbi: process.versions.modules,
    platform: process.platform,
    arch: process.arch,
    glibc: glibcVersion(),
    cpuFlags: cpuFlags(),
    path: layout.base,
    identity: identityOf(layout.base, standing),
    pm2: found && { version: found.version, path: found.path, home: pm2Home },
    // For the error message alone, and long.
    searched: found === null ? searched : [],
    freeBytes: bavail * bsize,
    newestId: await newestId(layout),
    live: await liveRelease(layout),
    serving: await servingRelease(layout),
    interrupted: await interruptedActivation(layout),
    lock: await lockHolder(layout.lock),
    now: new Date().toISOString(),
  }
}

/**
 * By the boot, not by /etc/machine-id: machines that were cloned from one image share the latter, and the numbers of
 * their files too.
 */
function identityOf(base: string, standing: string): string {
  const { dev, ino } = statSync(standing, { bigint: true })
  return [bootId(), dev, ino, relative(standing, base)].join(':')
}

/** The C library that native modules link to, or null where it is not glibc (musl). */
function glibcVersion(): string | null {
  const report = process.report as unknown as { excludeNetwork?: boolean; getReport(): unknown }
  // Without this Node looks up the name of every open connection (18 to 24).
  report.excludeNetwork = true
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime ?? null
}

/** By which the levels of x86-64 are told, from those that all have on: the whole list is long, and goes over the wire. */
const TELLING: ReadonlySet<string> = new Set(['sse2', 'ssse3', 'sse4_1', 'sse4_2', 'popcnt', 'avx', 'avx2'])

/** Of the first processor: the kernel runs no machine whose processors differ in what programs may use. */
function cpuFlags(): readonly string[] {
  try {
    const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))
    return (line?.[1]?.trim().split(/\s+/) ?? []).filter((flag) => TELLING.has(flag))
  } catch {
    // Not on every container host, and only for a better error.
    return []
  }
}
