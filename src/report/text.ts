/** What others wrote, made fit to be shown: without secrets, and without characters that act instead of show. */
import { inspect, stripVTControlCharacters } from 'node:util'
import type { Failure } from '../protocol/failure.ts'
import type { HostOutcome, Rehearsal, ServerState } from '../outcome.ts'
import type { Log, Row } from '../pipeline.ts'
import type { Report } from './summary.ts'

export type Redact = (text: string) => string

/** Shorter ends of a secret tell little, and are found in every text. In characters. */
const SHORTEST_FRAGMENT = 8

/**
 * Replaces every secret by `***`, also as JSON, Node's own printing, a URL, a form, HTML or base64 have it, and what
 * a cut at either end of the text left of one. The runner masks its log; the summary and the annotations are ours to
 * mask.
 */
export function redactor(secrets: readonly string[]): Redact {
  const forms = [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length)
  if (forms.length === 0) return (text) => text
  const anywhere = new RegExp(forms.map(literally).join('|'), 'g')
  return (text) => withoutCutEnds(text.replace(anywhere, '***'), forms)
}

function formsOf(secret: string): readonly string[] {
  // Half a surrogate pair is a character that no encoding has.
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

/** React's; others leave the apostrophe. */
const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#x27;',
}

/**
 * Within something longer, such as the `user:password` of a request, base64 shows a text in one of three ways,
 * whose first and last characters depend on what stands around it.
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

/** A form's end at the text's beginning, and its beginning at the text's end. */
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

/** Where `part` stands in `text` and ends at `end` or before: the last such place, or -1. */
function lastBefore(text: string, part: string, end: number): number {
  return end < part.length ? -1 : text.lastIndexOf(part, end - part.length)
}

/**
 * Text without colours, and with a sign in the place of every control character, and of those that turn the
 * direction of writing: they would hide, overwrite or reorder what people read. Line breaks and tabs stay.
 */
export function visible(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{Cc}\n\t]|[\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/gu, '\uFFFD')
}

/** A log that shows no secret. @param mask for those that become known later */
export function redactLog(log: Log, redact: Redact, mask: Log['mask']): Log {
  return {
    ...log,
    mask,
    info: (line) => log.info(redact(line)),
    warning: (line) => log.warning(redact(line)),
    annotate: (message, place) => log.annotate(redact(message), place),
    debug: (line) => log.debug(() => redact(line())),
    group: (title) => log.group(redact(title)),
  }
}

/** The report as it may be shown: every text in it that others had a hand in. */
export function redactReport(report: Report, redact: Redact): Report {
  const { outcome, rows, title } = report
  const failure = outcome.failure === null ? null : redactFailure(outcome.failure, redact)
  return {
    ...report,
    title: redact(title),
    rows: rows.map((row): Row => ({ ...row, detail: redact(row.detail) })),
    outcome: {
      ...outcome,
      failure,
      infos: outcome.infos.map((info) => ({ ...info, actor: redact(info.actor) })),
      hosts: outcome.hosts.map((host) => redactHost(host, redact)),
    },
  }
}

function redactHost(host: HostOutcome, redact: Redact): HostOutcome {
  return {
    ...host,
    server: host.server && redactServer(host.server, redact),
    rehearsal: host.rehearsal && redactRehearsal(host.rehearsal, redact),
  }
}

function redactServer(server: ServerState, redact: Redact): ServerState {
  const journal = server.journal.map((entry) => ({ ...entry, detail: redact(entry.detail) }))
  return { ...server, lock: server.lock && redact(server.lock), journal }
}

function redactRehearsal({ sending, findings, ...rest }: Rehearsal, redact: Redact): Rehearsal {
  const files = sending?.files.map(({ path, size }) => ({ path: redact(path), size })) ?? []
  return {
    ...rest,
    sending: sending && { ...sending, files },
    findings: findings.map((finding) => ({
      ...finding,
      message: redact(finding.message),
      remedy: finding.remedy && redact(finding.remedy),
    })),
  }
}

function redactFailure(failure: Failure, redact: Redact): Failure {
  const { message, remedy, evidence } = failure
  return failure.reworded(redact(message), {
    remedy: remedy && redact(remedy),
    evidence: evidence && redact(evidence),
  })
}
