/** What check found out about a host, as Markdown. */
import { CHECK_MARKS, type HostOutcome } from '../outcome.ts'
import { escape, on, prose, table } from './markdown.ts'

export function renderChecks({ name, checks = [] }: HostOutcome): string {
  if (checks.length === 0) return ''
  const rows = checks.map(({ level, what, value, remedy }) => [
    CHECK_MARKS[level],
    what,
    { markdown: prose(value) },
    { markdown: prose(remedy ?? '') },
  ])
  return table(['', escape(on('What', name)), 'Value', 'What to do'], rows)
}
