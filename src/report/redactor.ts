/** Replaces secrets in text, in whatever form they come. */
import { inspect } from 'node:util'

export type Redact = (text: string) => string

/** Shorter ends of a secret reveal little, and match in every text. In characters. */
const SHORTEST_FRAGMENT = 8

/** UTC, to the second. A number in it is no secret. */
const RELEASE_ID = /^20\d{12}$/

/**
 * Replaces every secret by `***`: as it is, as JSON, Node's printing, a URL, a form, HTML and base64 encode it, and the
 * rest of a secret that was cut at either end of the text. The runner masks its log only: the summary and the annotations
 * are masked here.
 * @param words statuses, phases, hosts, the app's name: a text that is one of them is returned as it is
 */
export function redactor(secrets: readonly string[], words: readonly string[] = []): Redact {
  const forms = [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length)
  if (forms.length === 0) return (text) => text
  const anywhere = new RegExp(forms.map(literally).join('|'), 'g')
  const ours = new Set(words)
  return (text) =>
    ours.has(text) || RELEASE_ID.test(text) ? text : withoutCutEnds(text.replace(anywhere, '***'), forms)
}

function formsOf(secret: string): readonly string[] {
  // No encoding has half a surrogate pair.
  const whole = Buffer.from(secret).toString()
  const forms = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    // As `console.log(process.env)` has it.
    inspect(secret, { breakLength: Infinity, maxStringLength: null }).slice(1, -1),
    encodeURIComponent(whole),
    encodeURI(whole),
    new URLSearchParams({ '': secret }).toString().slice(1),
    secret.replace(/[&<>"']/g, (character) => HTML[character]!),
    secret.replace(/[&<>"]/g, (character) => HTML[character]!),
    ...(secret.length < SHORTEST_FRAGMENT ? [] : base64FormsOf(whole)),
  ]
  return forms.filter((form) => form !== '')
}

/** As React escapes; others leave the apostrophe. */
const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#x27;',
}

/**
 * Within a longer text, such as the `user:password` of a request, base64 encodes a secret in one of three ways. The first
 * and the last character depend on the text around the secret.
 */
function base64FormsOf(text: string): readonly string[] {
  const alone = Buffer.from(text).toString('base64').replace(/=+$/, '')
  const within = [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)])
    return bytes.toString('base64').slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6))
  })
  return [alone, ...within].flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')])
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/** Replaces the end of a form at the text's beginning, and the beginning of a form at the text's end. */
function withoutCutEnds(text: string, forms: readonly string[]): string {
  let shown = text
  for (const form of forms) {
    const [first, last] = [shown.slice(0, SHORTEST_FRAGMENT), shown.slice(-SHORTEST_FRAGMENT)]
    if (first.length < SHORTEST_FRAGMENT) break
    for (let at = form.indexOf(first, 1); at > 0; at = form.indexOf(first, at + 1)) {
      const end = form.slice(at)
      if (shown.startsWith(end)) shown = `***${shown.slice(end.length)}`
    }
    for (
      let at = lastBefore(form, last, form.length - 1);
      at >= 0;
      at = lastBefore(form, last, at + last.length - 1)
    ) {
      const beginning = form.slice(0, at + last.length)
      if (shown.endsWith(beginning)) shown = `${shown.slice(0, -beginning.length)}***`
    }
  }
  return shown
}

/** Returns the last place of `part` in `text` that ends at `end` or before, or -1. */
function lastBefore(text: string, part: string, end: number): number {
  return end < part.length ? -1 : text.lastIndexOf(part, end - part.length)
}
