/**
 * The limits that control groups set, such as a container's or a systemd unit's: the machine's own figures do
 * not include them. Reads both versions at once, because in a hybrid hierarchy version 1 has the controllers.
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface Kernel {
  readonly proc: string
  readonly cgroup: string
}

export const kernel: Kernel = { proc: '/proc', cgroup: '/sys/fs/cgroup' }

export type Process = number | 'self'

/** The memory that the groups leave a process, in bytes. Pages that the kernel drops on demand count as free. */
export function memoryLeft(process: Process, at = kernel): number {
  const { v1, v2 } = groupsOf(process, 'memory', at)
  const left = (limit: number, used: number, dropped: number) => limit - Math.max(0, used - dropped)
  return Math.max(
    0,
    Math.min(
      Infinity,
      ...v2.map((group) =>
        left(
          Math.min(numberIn(group, 'memory.max', Infinity), numberIn(group, 'memory.high', Infinity)),
          numberIn(group, 'memory.current', 0),
          statIn(group, 'inactive_file') + statIn(group, 'active_file') / 2,
        ),
      ),
      ...v1.map((group) =>
        left(
          numberIn(group, 'memory.limit_in_bytes', Infinity),
          numberIn(group, 'memory.usage_in_bytes', 0),
          statIn(group, 'total_inactive_file') + statIn(group, 'total_active_file') / 2,
        ),
      ),
    ),
  )
}

/** Returns how many CPUs the groups let a process use at the same time; Infinity where there is no limit. */
export function cpusAllowed(process: Process, at = kernel): number {
  const { v1, v2 } = groupsOf(process, 'cpu', at)
  // "max 100000" means no quota, and so does -1.
  const share = (quota: number, period: number) => (quota > 0 && period > 0 ? quota / period : Infinity)
  return Math.min(
    Infinity,
    ...v2.map((group) => {
      const [quota, period] = (textIn(group, 'cpu.max') ?? '').split(' ').map(Number)
      return share(quota ?? 0, period ?? 0)
    }),
    ...v1.map((group) =>
      share(numberIn(group, 'cpu.cfs_quota_us', -1), numberIn(group, 'cpu.cfs_period_us', 0)),
    ),
  )
}

/** Returns the folders of the process's group and of its parents: a limit counts for everything below. */
function groupsOf(process: Process, controller: string, { proc, cgroup }: Kernel) {
  const lines = (textIn(proc, join(String(process), 'cgroup')) ?? '').split('\n').map((line) => {
    const [, controllers = '', ...path] = line.split(':')
    return { controllers: controllers.split(','), path: path.join(':') }
  })
  const pathOf = (name: string) => lines.find(({ controllers }) => controllers.includes(name))?.path
  return {
    v1: foldersUpTo(join(cgroup, controller), pathOf(controller)),
    v2: foldersUpTo(cgroup, pathOf('')),
  }
}

/** Without a cgroup namespace a container sees a path that is not mounted: its group is the top of the mount. */
function foldersUpTo(top: string, path: string | undefined): readonly string[] {
  if (path === undefined || !path.startsWith('/')) return []
  const folders = [join(top, path)]
  while (path !== '/') {
    path = dirname(path)
    folders.push(join(top, path))
  }
  return folders
}

function textIn(folder: string, name: string): string | null {
  try {
    return readFileSync(join(folder, name), 'utf8').trim()
  } catch {
    return null
  }
}

/** @param otherwise the value where there is no such file, or where the file has a word such as "max" */
function numberIn(folder: string, name: string, otherwise: number): number {
  const text = textIn(folder, name) ?? ''
  return /^-?\d+$/.test(text) ? Number(text) : otherwise
}

function statIn(folder: string, name: string): number {
  const line = new RegExp(`^${name} (\\d+)$`, 'm').exec(textIn(folder, 'memory.stat') ?? '')
  return Number(line?.[1] ?? 0)
}
