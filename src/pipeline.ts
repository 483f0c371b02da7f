/** Runs the phases: times them, keeps a row of each, and stops at the first that fails. */
import { Failure } from './protocol/failure.ts'

export type PhaseName =
  | 'connect'
  | 'recover'
  | 'build'
  | 'assemble'
  | 'upload'
  | 'verify'
  | 'swap'
  | 'reload'
  | 'health-check'
  | 'rollback'
  | 'cleanup'
  | 'status'

export interface Row {
  readonly phase: PhaseName
  readonly state: 'ok' | 'failed' | 'skipped'
  readonly startedAt: number
  readonly durationMs: number
  /** What it did, or why it failed. */
  readonly detail: string
}

/** What a phase has to show: a value for the phases after it, and what to say of it. */
export interface Done<T> {
  readonly value: T
  readonly detail: string
}

export interface Log {
  info(line: string): void
  group(title: string): void
  endGroup(): void
}

export interface Pipeline {
  readonly rows: readonly Row[]
  readonly log: Log
  run<T>(phase: PhaseName, act: () => Promise<Done<T>>): Promise<T>
  skip(phase: PhaseName, reason: string): void
}

export function createPipeline(log: Log): Pipeline {
  const rows: Row[] = []
  return {
    rows,
    log,
    async run(phase, act) {
      const startedAt = Date.now()
      const begun = performance.now()
      const row = (state: Row['state'], detail: string) =>
        rows.push({ phase, state, startedAt, durationMs: Math.round(performance.now() - begun), detail })
      log.group(phase)
      try {
        const { value, detail } = await act()
        row('ok', detail)
        log.info(detail)
        return value
      } catch (error) {
        const failure = Failure.from(error)
        row('failed', failure.message)
        log.info(`failed: ${failure.message}`)
        throw failure
      } finally {
        log.endGroup()
      }
    },
    skip(phase, reason) {
      rows.push({ phase, state: 'skipped', startedAt: Date.now(), durationMs: 0, detail: reason })
    },
  }
}
