/** Runs the phases: times each, keeps a row of it, and stops at the first that fails. */
import { formatDuration } from './common/format.ts'
import { Failure } from './common/failure.ts'

export const phaseNames = [
  'connect',
  'setup-node',
  'setup-pm2',
  'setup-boot',
  'check',
  'recover',
  'build',
  'assemble',
  'upload',
  'dry-run',
  'verify',
  'swap',
  'canary',
  'reload',
  'health-check',
  'watch',
  'rollback',
  'cleanup',
  'status',
] as const
export type PhaseName = (typeof phaseNames)[number]

export const rowStates = ['ok', 'failed', 'skipped'] as const

export interface Row {
  readonly phase: PhaseName
  /** Null for the runner, and for the only host of a run. */
  readonly host: string | null
  readonly state: (typeof rowStates)[number]
  /** In ms since 1970. */
  readonly startedAt: number
  readonly durationMs: number
  /** What the phase did, or why it failed. */
  readonly detail: string
  /** The last lines of a log, or an answer, of a phase that failed. */
  readonly evidence?: string | undefined
}

/** The result of a phase: a value for the phases after it, and the detail of its row. */
export interface Done<T> {
  readonly value: T
  readonly detail: string
}

export interface Place {
  /** Relative to the repository. */
  readonly file: string
  /** From 1; undefined for the whole file. */
  readonly line: number | undefined
  readonly column: number | undefined
}

export interface Log {
  /** Masks a secret in everything that is shown from now on. */
  mask(secret: string): void
  /** Tells the post step that from now on this release may go live. */
  remember(release: string): void
  info(line: string): void
  /** Legal, but most likely a mistake: GitHub shows it at the top of the run. */
  warning(line: string): void
  /** An error in a file of the repository, shown beside its line. */
  annotate(message: string, place: Place): void
  /** Shown with `ACTIONS_STEP_DEBUG`. Without it, `line` is not called. */
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
  /** Returns the same pipeline for one of several hosts: its rows and lines name the host. */
  on(host: string | null): Pipeline
}

export function createPipeline(log: Log): Pipeline {
  const rows: Row[] = []
  // One row per phase and host: a later part of a phase, such as the public URL, is added to the row.
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
  // Groups of a job's log cannot overlap: phases that run side by side share one.
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
