/** What others wrote, made fit to be shown: without secrets, and without characters that act instead of show. */
import { stripVTControlCharacters } from 'node:util'
import type { Failure } from '../protocol/failure.ts'
import type { HostOutcome, Rehearsal, ServerState } from '../outcome.ts'
import type { Log, Row } from '../pipeline.ts'
import type { Report } from './summary.ts'

export type Redact = (text: string) => string

/** Shorter ends of a secret tell little, and are found in every text. In characters. */
const SHORTEST_FRAGMENT = 8

/**
 * Replaces every secret by `***`, also as JSON, a URL or base64 have it, and what a cut at either end of the text
 * left of one. The runner masks its log; the summary and the annotations are ours to mask.
 */
export function redactor(secrets: readonly string[]): Redact {
  const forms = [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length)
  if (forms.length === 0) return (text) => text
  const anywhere = new RegExp(forms.map(literally).join('|'), 'g')
  return (text) => withoutCutEnds(text.replace(anywhere, '***'), forms)
}

function formsOf(secret: string): readonly string[] {
  const encoded = [JSON.stringify(secret).slice(1, -1), encodeURIComponent(Buffer.from(secret).toString())]
  const base64 =
    secret.length < SHORTEST_FRAGMENT ? [] : [Buffer.from(secret).toString('base64').replace(/=+$/, '')]
  return [secret, ...encoded, ...base64].filter((form) => form !== '')
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

function withoutCutEnds(text: string, forms: readonly string[]): string {
  let shown = text
  for (const form of forms) {
    for (let length = form.length - 1; length >= SHORTEST_FRAGMENT; length -= 1) {
      if (shown.startsWith(form.slice(-length))) shown = `***${shown.slice(length)}`
      if (shown.endsWith(form.slice(0, length))) shown = `${shown.slice(0, -length)}***`
    }
  }
  return shown
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

/** A log that shows no secret. */
export function redactLog(log: Log, redact: Redact): Log {
  return {
    ...log,
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
