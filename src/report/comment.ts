/** Renders the comment on a preview's pull request as Markdown: pure. */
import { formatDuration } from '../common/format.ts'
import { bullets, code, escape, link } from './markdown.ts'
import { sentence } from './sentence.ts'
import { mark, renderCommit, renderSent, renderUrl, type Report } from './summary.ts'

/** @param preview its name @param now when it is written */
export function renderComment(report: Report, preview: string, now: Date): string {
  const { outcome, command, origin, url, durationMs } = report
  const isThere = outcome.status === 'live'
  const at = `${now.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  return [
    `### ${mark(outcome)} Preview ${escape(preview)}`,
    `**${escape(sentence(outcome, command))}**`,
    bullets([
      ['Address', url === null || outcome.liveRelease === null ? '' : renderUrl(url)],
      ['Status', code(outcome.status)],
      ['Commit', renderCommit(origin?.commit ?? '', origin)],
      ['Sent', isThere ? renderSent(outcome) : ''],
      ['Time', `${at}, took ${formatDuration(durationMs)}`],
      ['Run', origin?.runUrl ? link('log and summary', origin.runUrl) : ''],
    ]),
  ].join('\n\n')
}
