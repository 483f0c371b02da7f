/** The words of an error, as templates: `{name}` stands for a value, `"{name}"` for one that is quoted and escaped. */
export interface ErrorText {
  /** One sentence: what failed. */
  readonly message: string
  /** What to do first: an action. */
  readonly remedy: string
  /** A likely cause, in a sentence, for docs/errors.md alone. */
  readonly cause?: string
}

/** Ends the remedy of what `command: check` has a row for. */
export const SEE_CHECK = 'To see what else is missing, run `command: check`.'

/** By code. `code: variant` is the same code where another message or remedy helps. */
export type ErrorTexts = Readonly<Record<string, ErrorText>>

/** The names in a template, as a type. */
export type NamesIn<Template extends string> = Template extends `${string}{${infer Name}}${infer Rest}`
  ? Name | NamesIn<Rest>
  : never

/** Fills a template in. A quoted value has no backticks: those of a message are our own, and shown as code. */
export function fill(template: string, values: Readonly<Record<string, string | number>>): string {
  return (
    template
      .replace(/"\{(\w+)\}"|\{(\w+)\}/g, (_, quoted?: string, plain = '') =>
        quoted === undefined ? String(values[plain]) : quote(String(values[quoted])),
      )
      // A value may be a sentence of its own.
      .replace(/([.!?])\.$/, '$1')
  )
}

function quote(value: string): string {
  return JSON.stringify(value).replaceAll('`', '\\u0060')
}

export function codeOf(key: string): string {
  return key.split(': ', 1)[0]!
}
