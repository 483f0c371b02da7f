/** Processes that a command leaves running, found by their environment, as the runner finds those of a job. */
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

const VARIABLE = 'GAPLESS_COMMAND'
/** How long a process may take to exit after SIGTERM, in ms. */
const GRACE = 2_000
const POLL = 20

export interface Leftovers {
  /** Marks every process that runs with these variables. */
  readonly variables: Readonly<Record<string, string>>
  /** Ends every marked process. Does nothing where there is no `/proc`, as on macOS. */
  end(): Promise<void>
}

export function leftovers(): Leftovers {
  const id = randomUUID()
  const entry = `${VARIABLE}=${id}\0`
  return {
    variables: { [VARIABLE]: id },
    async end() {
      const deadline = performance.now() + GRACE
      for (const pid of processesWith(entry)) signal(pid, 'SIGTERM')
      while (performance.now() < deadline) {
        if (processesWith(entry).length === 0) return
        await delay(POLL)
      }
      for (const pid of processesWith(entry)) signal(pid, 'SIGKILL')
    },
  }
}

function processesWith(entry: string): readonly number[] {
  return list('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && environmentOf(pid).includes(entry))
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Returns '' for a process that has exited, or belongs to another user. */
function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch {
    return ''
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has exited.
  }
}
