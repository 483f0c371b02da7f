/** The phases as a Gantt chart, which GitHub draws from Mermaid. */
import { formatDuration } from '../common/format.ts'
import type { Row } from '../pipeline.ts'

/** More bars are unreadable. */
const MOST_BARS = 60
const HOUR = 3_600_000

/** Renders the chart; empty for fewer than two phases. */
export function timeline(rows: readonly Row[]): string {
  const ran = rows.filter(({ state }) => state !== 'skipped')
  if (ran.length < 2 || ran.length > MOST_BARS) return ''
  const begun = Math.min(...ran.map(({ startedAt }) => startedAt))
  const total = Math.max(...ran.map(({ startedAt, durationMs }) => startedAt - begun + durationMs))
  const several = ran.some(({ host }) => host !== null)
  const bars = [...new Set(ran.map(({ host }) => host))].flatMap((host) => [
    ...(several ? [`  section ${host === null ? 'runner' : safe(host)}`] : []),
    ...ran.filter((row) => row.host === host).map((row) => bar(row, begun)),
  ])
  return [
    '```mermaid',
    'gantt',
    '  dateFormat YYYY-MM-DD HH:mm:ss.SSS',
    `  axisFormat ${total < HOUR ? '%M:%S' : '%H:%M:%S'}`,
    `  tickInterval ${tick(total)}`,
    ...bars,
    '```',
  ].join('\n')
}

/** The labels must fit beside each other on a phone. */
function tick(total: number): string {
  const seconds = total / 1000 / 4
  const step = [5, 15, 30].find((length) => seconds <= length)
  return step === undefined ? `${Math.ceil(seconds / 60)}minute` : `${step}second`
}

function bar({ phase, state, startedAt, durationMs }: Row, begun: number): string {
  const failed = state === 'failed' ? 'crit, ' : ''
  const from = startedAt - begun
  const time = formatDuration(durationMs)
  return `    ${phase} ${time} :${failed}${clock(from)}, ${clock(from + Math.max(1, durationMs))}`
}

/** On a day without a change to summer time: Mermaid reads times in the reader's zone. */
function clock(ms: number): string {
  return new Date(Date.UTC(2000, 0, 1) + ms).toISOString().replace('T', ' ').replace('Z', '')
}

/** Removes everything from a host's name that Mermaid could read as syntax. */
function safe(host: string): string {
  return (
    host
      .replace(/[^A-Za-z0-9.-]+/g, ' ')
      .trim()
      .slice(0, 60) || 'host'
  )
}
