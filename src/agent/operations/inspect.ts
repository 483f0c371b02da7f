/** What the action needs to know about the server before it builds. */
import { readFileSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { relative } from 'node:path'
import zlib from 'node:zlib'
import type { ServerFacts } from '../../protocol/messages.ts'
import { assertPm2HomeWritable, assertWritable } from '../system/access.ts'
import { interruptedActivation } from '../activation/interrupted.ts'
import { readJournal } from '../activation/journal.ts'
import { canaryIn, probationOf } from '../activation/state.ts'
import { nearestExisting } from '../system/files.ts'
import type { Pm2Search } from '../pm2/find.ts'
import type { Layout } from '../store/layout.ts'
import { lockHolder } from '../system/lock.ts'
import { bootId } from '../system/processes.ts'
import { liveRelease, newestId } from '../store/releases.ts'
import { servingRelease } from '../pm2/serving.ts'
import { assertTrusted } from '../store/trust.ts'
import { type PlannedMove, sayNodeStays } from './survey.ts'

/** @throws Failure `path-not-writable`, `path-unsafe`, `current-not-a-link`, `pm2-foreign` */
export async function inspectServer(
  layout: Layout,
  search: Pm2Search,
  pm2Home: string,
  move: PlannedMove | null = null,
): Promise<ServerFacts> {
  const standing = nearestExisting(layout.base)
  assertWritable(layout.base)
  assertPm2HomeWritable(pm2Home)
  assertTrusted(layout)
  const { bavail, bsize } = await statfs(standing)
  const journal = await readJournal(layout.journal)
  const { found, searched } = search
  // What the workers of a deploy will run on.
  const next = move?.hindrance === null ? move : null
  return {
    node: next?.version ?? process.versions.node,
    nodePath: next?.node ?? process.execPath,
    nodeAbi: next?.abi ?? process.versions.modules,
    nodeStays: move === null || move.hindrance === null ? '' : sayNodeStays(move, move.hindrance),
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
    zstd: 'createZstdDecompress' in zlib,
    newestId: await newestId(layout),
    live: await liveRelease(layout),
    serving: await servingRelease(layout),
    interrupted: await interruptedActivation(layout),
    canary: canaryIn(journal)?.release ?? null,
    probation: probationOf(journal),
    lock: await lockHolder(layout.lock),
    now: new Date().toISOString(),
  }
}

/** By the boot id: machines cloned from one image share /etc/machine-id, and their inode numbers too. */
function identityOf(base: string, standing: string): string {
  const { dev, ino } = statSync(standing, { bigint: true })
  return [bootId(), dev, ino, relative(standing, base)].join(':')
}

/** Returns the C library that native modules link to, or null where it is not glibc (musl). */
function glibcVersion(): string | null {
  const report = process.report as unknown as { excludeNetwork?: boolean; getReport(): unknown }
  // Otherwise Node looks up the name of every open connection (18 to 24).
  report.excludeNetwork = true
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime ?? null
}

/** The flags that tell the levels of x86-64 apart. The whole list is long, and travels over the wire. */
const TELLING: ReadonlySet<string> = new Set(['sse2', 'ssse3', 'sse4_1', 'sse4_2', 'popcnt', 'avx', 'avx2'])

/** Of the first processor: the kernel does not run machines whose processors differ in this. */
function cpuFlags(): readonly string[] {
  try {
    const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))
    return (line?.[1]?.trim().split(/\s+/) ?? []).filter((flag) => TELLING.has(flag))
  } catch {
    // Not on every container host, and only for a better error message.
    return []
  }
}
