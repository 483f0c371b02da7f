/** Renders the comment on a preview's pull request as Markdown: pure. */
import { formatDuration } from '../common/format.ts'
import { bullets, code, escape, link } from './markdown.ts'
import { commitUrl } from './origin.ts'
import { sentence } from './sentence.ts'
import { mark, renderSent, renderUrl, type Report } from './summary.ts'

/** @param preview its name @param now when it is written */
export function renderComment(report: Report, preview: string, now: Date): string {
  const { outcome, command, origin, url, durationMs } = report
  const isThere = outcome.status === 'live'
  const commit = origin?.commit ?? ''
  const at = `${now.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  return [
    `### ${mark(outcome)} Preview ${escape(preview)}`,
    `**${escape(sentence(outcome, command))}**`,
    bullets([
      ['Address', url === null || outcome.liveRelease === null ? '' : renderUrl(url)],
      ['Status', code(outcome.status)],
      ['Commit', commit === '' ? '' : link(code(commit.slice(0, 7)), origin && commitUrl(origin, commit))],
      ['Sent', isThere ? renderSent(outcome) : ''],
      ['Time', `${at}, took ${formatDuration(durationMs)}`],
      ['Run', origin?.runUrl ? link('log and summary', origin.runUrl) : ''],
    ]),
  ].join('\n\n')
}
