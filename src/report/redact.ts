/** The log and the report without secrets: every text in them that others had a hand in. */
import type { Failure } from '../common/failure.ts'
import type { HostOutcome, Rehearsal, ServerState } from '../outcome.ts'
import type { Log, Row } from '../pipeline.ts'
import type { Redact } from './redactor.ts'
import type { Report } from './summary.ts'

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
    rows: rows.map((row): Row => ({
      ...row,
      detail: redact(row.detail),
      evidence: row.evidence && redact(row.evidence),
    })),
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
    failure: host.failure && redactFailure(host.failure, redact),
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
