/** The end of the workers' own logs, and of PM2's: the evidence when they fail. */
import { constants } from 'node:fs'
import { join } from 'node:path'
import { withFile } from '../system/files.ts'
import type { Pm2Process } from '../pm2/client.ts'

/** Logs grow without a limit; this much of each one's end is read, in bytes. */
const LONGEST = 64 * 1024

/**
 * What the workers wrote since `since` (bytes by file). Never throws: a log that cannot be read is no reason to
 * stay with a release that fails.
 */
export async function logsSince(
  processes: readonly Pm2Process[],
  since: ReadonlyMap<string, number>,
): Promise<string> {
  const files = [...new Set(processes.flatMap(({ errorLog, outLog }) => [outLog, errorLog]))]
  const texts = await Promise.all(files.map((file) => endOf(file, since.get(file) ?? 0).catch(() => '')))
  return texts.filter((text) => text !== '').join('\n')
}

/** The daemon's own log. */
export function daemonLog(pm2Home: string): string {
  return join(pm2Home, 'pm2.log')
}

/** `2026-11-26T03:00:00: PM2 log: App [shop:0] online`: the daemon's own words, about every app (5.4 to 7). */
const DAEMONS_OWN = /^\S+: PM2 \w+: /

/**
 * What workers wrote into the daemon's log alone since `since` (bytes by file): why Node itself ended or never began,
 * such as a flag that it does not know, a module that it cannot preload, or a heap that is full. Never throws.
 */
export async function daemonLogSince(pm2Home: string, since: ReadonlyMap<string, number>): Promise<string> {
  const file = daemonLog(pm2Home)
  const text = await endOf(file, since.get(file) ?? 0).catch(() => '')
  const lines = text.split('\n').filter((line) => !DAEMONS_OWN.test(line))
  return lines.join('\n')
}

async function endOf(file: string, since: number): Promise<string> {
  return withFile(file, constants.O_RDONLY | constants.O_NONBLOCK, 0, async (handle) => {
    const { size } = await handle.stat()
    const from = Math.max(since > size ? 0 : since, size - LONGEST)
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(Math.max(0, size - from)),
      0,
      size - from,
      from,
    )
    return buffer.subarray(0, bytesRead).toString('utf8')
  })
}

/** The end of a log, as evidence. */
export function lastLines(text: string, limit = 40): string {
  return text.trimEnd().split('\n').slice(-limit).join('\n').slice(-8000)
}

/**
 * The lines about missing files. A release can be healthy at its health check's path, and answer 500 on every page that
 * reads the file.
 */
export function notFoundIn(text: string): string {
  const lines = text.split('\n').filter((line) => /\bENOENT\b|\bCannot find module\b/.test(line))
  // An app may log the same line for each request.
  return lastLines([...new Set(lines)].join('\n'))
}

/** Those that the workers of `release` wrote since `since`. Workers of other releases share their logs. Never throws. */
export async function notFoundSince(
  processes: readonly Pm2Process[],
  since: ReadonlyMap<string, number>,
  release: string,
): Promise<string> {
  const lines = (await logsSince(processes, since)).split('\n')
  const others = (line: string) =>
    /\/releases\/\d{14}\//.test(line) && !line.includes(`/releases/${release}/`)
  return notFoundIn(lines.filter((line) => !others(line)).join('\n'))
}
