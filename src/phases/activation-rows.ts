/** The rows of one activation, from the entries of its journal. A row begins where the one before it ends. */
import { failure as activationFailure } from '../common/errors/activation.ts'
import type { Failure } from '../common/failure.ts'
import type { BegunPhase, Pipeline } from '../pipeline.ts'
import type { ActivationStatus, JournalEntry } from '../protocol/messages.ts'

type RowName = 'swap' | 'canary' | 'reload' | 'health-check' | 'rollback'

const NEXT: Readonly<Record<RowName, RowName | undefined>> = {
  swap: 'reload',
  canary: 'reload',
  reload: 'health-check',
  'health-check': undefined,
  rollback: undefined,
}

const UNREAD = 'done: the journal does not say what'

export interface ActivationRows {
  add(entry: JournalEntry): void
  /** Whether the swap is known to have begun. */
  hasSwapped(): boolean
  /** Ends the rows that the journal left open. @param failure why the activation did not end live */
  end(status: ActivationStatus, failure: Failure | null): void
}

/** @param canary whether one was asked for */
export function activationRows(pipeline: Pick<Pipeline, 'begin'>, canary = false): ActivationRows {
  let open: { readonly name: RowName; readonly row: BegunPhase } | undefined
  let [touched, swapped, restoring] = [false, false, false]
  const begin = (name: RowName | undefined) => {
    open = name && { name, row: pipeline.begin(name) }
    if (name === 'rollback') restoring = true
  }
  const done = (detail: string) => {
    const name = open?.name
    open?.row.done(detail)
    if (name === 'swap') swapped = true
    begin(name === 'swap' && canary ? 'canary' : NEXT[name ?? 'rollback'])
  }
  const failed = (failure: Failure) => {
    open?.row.failed(failure)
    // After the swap the server restores the previous release.
    begin(swapped && !restoring ? 'rollback' : undefined)
  }
  begin('swap')
  return {
    add({ step, state, detail }) {
      if (step === 'swap') touched = true
      if (step !== open?.name) return
      if (state === 'done') done(detail)
      if (state === 'failed') failed(activationFailure('activation-failed', { problem: detail }))
    },
    hasSwapped: () => touched,
    end(status, failure) {
      // The verdict counts, also where somebody emptied the journal before a step could be read.
      if (failure === null) {
        while (open !== undefined) done(UNREAD)
        return
      }
      if (open !== undefined && open.name !== 'rollback') failed(failure)
      if (!restoring && (status === 'restored' || status === 'down')) begin('rollback')
      if (open === undefined) return
      if (status === 'down') failed(failure)
      else done(UNREAD)
    },
  }
}
