/** One input: its default, and how its text becomes a value. */

/** @throws Unusable */
export type Parse<T> = (text: string, workspace: string) => T

export interface Given {
  /** As it was given; null when it is blank. */
  readonly verbatim: string | null
  /** Trimmed, lines ended by \n alone: `sh` would run `a\r` of a text from Windows. Null when it is blank. */
  readonly text: string | null
  /** Without the line ends around it: spaces belong to a password, the line end of a pasted secret does not. */
  readonly secret: string | null
  /** Reports a text that cannot be used, and returns null. @param verb what the input does with the text */
  parsed<T>(text: string, parse: Parse<T>, verb?: 'is' | 'contains'): T | null
}

export interface Row<T> {
  /** As action.yml states it; null where the input has none there. */
  readonly default: string | null
  /** Masked in the log, and never shown. */
  readonly isSecret: boolean
  read(given: Given): T
}

export function withDefault<T>(text: string, parse: Parse<T>): Row<T> {
  return {
    default: text,
    isSecret: false,
    // After a problem it is the default, only so that reading can go on.
    read: (given) => {
      const value = given.text === null ? null : given.parsed(given.text, parse)
      return value ?? given.parsed(text, parse)!
    },
  }
}

/** Null when it is not given. */
export function optional<T>(parse: Parse<T>): Row<T | null> {
  return plain(({ text, parsed }) => (text === null ? null : parsed(text, parse)))
}

/** The items between what `separator` matches; at least one when anything is given. */
export function list<T>(separator: RegExp, parse: Parse<T>): Row<readonly T[]> {
  return plain(({ text, parsed }) => {
    const items = (text ?? '').split(separator).flatMap((item) => item.trim() || [])
    // A separator alone is no item either.
    if (items.length === 0 && text !== null) parsed(text, parse)
    return items.flatMap((item) => parsed(item, parse, 'contains') ?? [])
  })
}

/** Text of any kind, such as a command. */
export const text: Row<string | null> = plain((given) => given.text)

/** A private key: its own parser repairs what is wrong with it. */
export const privateKey: Row<string | null> = { ...plain(({ verbatim }) => verbatim), isSecret: true }

export const password: Row<string | null> = { ...plain(({ secret }) => secret), isSecret: true }

function plain<T>(read: (given: Given) => T): Row<T> {
  return { default: null, isSecret: false, read }
}
