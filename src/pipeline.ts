/** Runs the phases: times them, keeps a row of each, and stops at the first that fails. */
import { formatDuration } from './common/format.ts'
import { Failure } from './common/failure.ts'

export const phaseNames = [
  'connect',
  'recover',
  'build',
  'assemble',
  'upload',
  'dry-run',
  'verify',
  'swap',
  'reload',
  'health-check',
  'rollback',
  'cleanup',
  'status',
] as const
export type PhaseName = (typeof phaseNames)[number]

export interface Row {
  readonly phase: PhaseName
  /** Where it happened; null where there is only one host, or it was the runner. */
  readonly host: string | null
  readonly state: 'ok' | 'failed' | 'skipped'
  readonly startedAt: number
  readonly durationMs: number
  /** What it did, or why it failed. */
  readonly detail: string
  /** What was seen where it failed. */
  readonly evidence?: string | undefined
}

/** What a phase has to show: a value for the phases after it, and what to say of it. */
export interface Done<T> {
  readonly value: T
  readonly detail: string
}

export interface Place {
  /** Relative to the repository. */
  readonly file: string
  /** From 1; undefined where it is about the whole file. */
  readonly line: number | undefined
  readonly column: number | undefined
}

export interface Log {
  /** Has a secret hidden in all that comes after. */
  mask(secret: string): void
  /** Tells the post step that from now on this release may go live. */
  remember(release: string): void
  info(line: string): void
  /** Legal, yet most likely not meant: shown where people look first. */
  warning(line: string): void
  /** An error in a file of the repository, shown beside its line. */
  annotate(message: string, place: Place): void
  /** Shown only where somebody asked for it; otherwise the line is not even made. */
  debug(line: () => string): void
  group(title: string): void
  endGroup(): void
}

/** A phase that has begun. One of the two ends it. */
export interface BegunPhase {
  done(detail: string): void
  failed(failure: Failure): void
}

export interface Pipeline {
  readonly rows: readonly Row[]
  readonly log: Log
  begin(phase: PhaseName): BegunPhase
  run<T>(phase: PhaseName, act: () => Promise<Done<T>>): Promise<T>
  skip(phase: PhaseName, reason: string): void
  /** The same pipeline for what happens on one of several hosts: its rows and lines name it. */
  on(host: string | null): Pipeline
}

export function createPipeline(log: Log): Pipeline {
  const rows: Row[] = []
  // One row per phase and host: what a phase does later, such as asking the public URL, is added to the row it has.
  const keep = (row: Row) => {
    const index = rows.findIndex(
      ({ phase, host, state }) => phase === row.phase && host === row.host && state === 'ok',
    )
    const before = rows[index]
    if (before === undefined) {
      rows.push(row)
      return
    }
    const durationMs = before.durationMs + row.durationMs
    const detail = `${before.detail}; ${row.detail}`
    rows[index] = { ...row, startedAt: before.startedAt, durationMs, detail }
  }
  // Groups of a job's log cannot overlap: what runs side by side shares the group of the first.
  let running = 0

  const on = (host: string | null): Pipeline => {
    const named = (line: string) => (host === null ? line : `${host}: ${line}`)
    const info = (line: string) => log.info(named(line))
    const warning = (line: string) => log.warning(named(line))
    const debug = (line: () => string) => log.debug(() => named(line()))
    const begin = (phase: PhaseName): BegunPhase => {
      const startedAt = Date.now()
      const begun = performance.now()
      if (running === 0) log.group(phase)
      running += 1
      const end = (state: Row['state'], line: string, detail: string, evidence?: string) => {
        const durationMs = Math.round(performance.now() - begun)
        keep({ phase, host, state, startedAt, durationMs, detail, evidence })
        info(`${line} (${phase}: ${formatDuration(durationMs)})`)
        running -= 1
        if (running === 0) log.endGroup()
      }
      return {
        done: (detail) => end('ok', detail, detail),
        failed: ({ message, evidence }) => end('failed', `failed: ${message}`, message, evidence),
      }
    }
    return {
      rows,
      log: { ...log, info, warning, debug },
      on,
      begin,
      async run(phase, act) {
        const begun = begin(phase)
        try {
          const { value, detail } = await act()
          begun.done(detail)
          return value
        } catch (error) {
          const failure = Failure.from(error)
          begun.failed(failure)
          throw failure
        }
      },
      skip(phase, reason) {
        rows.push({ phase, host, state: 'skipped', startedAt: Date.now(), durationMs: 0, detail: reason })
      },
    }
  }
  return on(null)
}
