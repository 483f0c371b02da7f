import type { Runtime } from '../protocol/messages.ts'
import { type InputName, table, type Values } from './table.ts'

interface Masking {
  readonly secrets: readonly string[]
  readonly unmasked: readonly string[]
}

/**
 * What to mask in the log. The runner masks `secrets.*` by itself, but not what a workflow composed from them or
 * fetched from a vault, nor the single lines of a key.
 *
 * Of `env`, any value may be a secret, so all are masked but those that plainly are none, such as `true`, `3000` or
 * `production`. GitHub drops a job's output that holds a masked text, so nothing that a run must say is masked either.
 * @param words what a run says, whatever it deploys
 */
export function maskingOf(inputs: Values & { readonly runtime: Runtime }, words: readonly string[]): Masking {
  const credentials = (Object.keys(table) as InputName[])
    .filter((name) => table[name].isSecret)
    .flatMap((name) => inputs[name] as string | null)
  const values = Object.entries(inputs.runtime.env).filter(([, value]) => value.trim() !== '')
  const isSaid = (text: string) => words.some((word) => word.includes(text.trim()))
  const isMasked = ([key, value]: readonly [string, string]) => maySecret(key, value) && !isSaid(value)
  const texts = credentials.filter((text) => text !== null).filter((text) => text.trim() !== '')
  const masked = values
    .filter(isMasked)
    .flatMap(([, value]) => formsOf(value).filter((form) => !isSaid(form)))
  return {
    secrets: [...new Set([...texts.flatMap(formsOf), ...masked])],
    unmasked: values.filter((entry) => !isMasked(entry)).map(([key]) => key),
  }
}

function formsOf(text: string): readonly string[] {
  return [text, ...partsOf(text), ...urlPassword(text)]
}

/** Common values; five letters, which hide nothing; numbers that a duration, a size or a release's id may be. */
const harmless =
  /^(?:(?:[a-z]+:\/\/)?localhost|production|development|staging|preview|sandbox|default|enabled|disabled|verbose|[a-z]{1,5}|[a-z]{2}-[A-Z]{2}|[\d.]{1,7}|20\d{6,12})$/i

function maySecret(key: string, value: string): boolean {
  // Next.js puts NEXT_PUBLIC_ values into the browser's bundle: public by definition.
  return value.trim().length >= 4 && !harmless.test(value.trim()) && !key.startsWith('NEXT_PUBLIC_')
}

/**
 * The lines of a multi-line secret (a key's may be joined by a literal `\n`), as a log shows them one by one, or the
 * only line without the spaces around it.
 */
function partsOf(text: string): readonly string[] {
  const lines = text.split(/\r\n|\n|\r|\\n/).map((line) => line.trim())
  return lines.filter((line) => line.length >= 4 && !/^-----(?:BEGIN|END) /.test(line))
}

/** The password in the URL of a database, as it stands there and as it is: a client may complain of it alone. */
function urlPassword(text: string): readonly string[] {
  const [, password = ''] = /^\s*[a-z][a-z0-9+.-]*:\/\/[^\s/?#:@]*:([^\s/?#]+)@/i.exec(text) ?? []
  return [password, decoded(password)].filter((form) => form.length >= 4 && !harmless.test(form))
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
