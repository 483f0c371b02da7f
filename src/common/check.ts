/** What `check` found out about one thing that a deploy needs. */
export interface Check {
  /** Whether a deploy works with it, works but should not have to, or fails. */
  readonly level: 'ok' | 'doubt' | 'fail'
  readonly what: string
  readonly value: string
  /** What to do first; null where there is nothing to do. */
  readonly remedy: string | null
}

type Of<Level extends Check['level']> = Check & { readonly level: Level }

export const ok = (what: string, value: string): Of<'ok'> => ({ level: 'ok', what, value, remedy: null })

export const doubt = (what: string, value: string, remedy: string): Of<'doubt'> => {
  return { level: 'doubt', what, value, remedy }
}

export const fail = (what: string, value: string, remedy: string | null): Of<'fail'> => {
  return { level: 'fail', what, value, remedy }
}
