/** What a dry run found out about a host, as Markdown. */
import { formatBytes, joined, plural } from '../common/format.ts'
import type { HostOutcome, DryRun } from '../outcome.ts'
import type { Finding } from '../protocol/messages.ts'
import { code, folded, on, prose, table, titled } from './markdown.ts'
import { asSentence } from './text.ts'

/** Of the list of files. The log lists more. */
const MOST_FILES = 200

const EFFECTS: Readonly<Record<Finding['effect'], string>> = {
  ends: '⛔ Would fail',
  waits: '⏳ Would wait',
  recovers: '🔧 Would recover first',
  replaces: '⚠️ Would replace',
  gap: '⚠️ Would interrupt the app',
}

export function renderDryRun({ name, dryRun }: HostOutcome): string {
  if (dryRun === null) return ''
  const { sending, pruned, findings } = dryRun
  const list = titled(on('What a real run would do', name), [
    ['Send', sending === null ? '' : describeSending(sending)],
    ['Remove', pruned.length === 0 ? 'no release' : pruned.map(code).join(', ')],
    ['Problems', findings.length === 0 ? 'none' : ''],
    // The reason for a failure first.
    ...findings
      .toSorted((a, b) => Number(b.effect === 'ends') - Number(a.effect === 'ends'))
      .map(describeFinding),
  ])
  return joined([list, renderFiles(name, sending)], '\n\n')
}

function describeFinding({ effect, message, remedy }: Finding): readonly [string, string] {
  const next = remedy === null ? '' : prose(asSentence(remedy))
  return [EFFECTS[effect], joined([prose(asSentence(message)), next])]
}

type Sending = NonNullable<DryRun['sending']>

function describeSending({ files, of }: Sending): string {
  if (files.length === 0) return `nothing: the server already has all ${plural(of.files, 'file')}`
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  return `${files.length} of ${plural(of.files, 'file')}, ${formatBytes(bytes)} of ${formatBytes(of.bytes)} before compression`
}

function renderFiles(host: string | null, sending: Sending | null): string {
  const files = sending?.files ?? []
  if (files.length === 0) return ''
  const rows = files.slice(0, MOST_FILES).map(({ path, size }) => [path, formatBytes(size)])
  const rest = files.length > MOST_FILES ? [[`…and ${files.length - MOST_FILES} more in the log`, '']] : []
  return folded(
    on(`${plural(files.length, 'file')} to send`, host),
    table(['File', 'Size'], [...rows, ...rest]),
  )
}
