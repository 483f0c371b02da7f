/** What a dry run found out about a host, as Markdown. */
import { formatBytes, plural } from '../common/format.ts'
import type { HostOutcome, Rehearsal } from '../outcome.ts'
import type { Finding } from '../protocol/messages.ts'
import { code, escape, folded, on, table, titled } from './markdown.ts'

/** Of the list of files. The log has more. */
const MOST_FILES = 200

const EFFECTS: Readonly<Record<Finding['effect'], string>> = {
  ends: '⛔ Fail',
  waits: '⏳ Wait',
  recovers: '🔧 Recover first',
  replaces: '⚠️ Replace',
  gap: '⚠️ Leave a gap',
}

export function renderRehearsal({ name, rehearsal }: HostOutcome): string {
  if (rehearsal === null) return ''
  const { sending, pruned, findings } = rehearsal
  const list = titled(on('What the run would do', name), [
    ['Send', sending === null ? '' : describeSending(sending)],
    ['Remove', pruned.length === 0 ? 'no release' : pruned.map(code).join(', ')],
    ['In the way', findings.length === 0 ? 'nothing' : ''],
    ...findings.map(describeFinding),
  ])
  return [list, renderFiles(name, sending)].filter((text) => text !== '').join('\n\n')
}

function describeFinding({ effect, message, remedy }: Finding): readonly [string, string] {
  return [
    EFFECTS[effect],
    [message.replace(/\.$/, ''), ...(remedy === null ? [] : [remedy])].map(escape).join('. '),
  ]
}

type Sending = NonNullable<Rehearsal['sending']>

function describeSending({ files, of }: Sending): string {
  if (files.length === 0) return `nothing: the server has all ${plural(of.files, 'file')}`
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  return `${files.length} of ${plural(of.files, 'file')}, ${formatBytes(bytes)} of ${formatBytes(of.bytes)} before compression`
}

function renderFiles(host: string | null, sending: Sending | null): string {
  const files = sending?.files ?? []
  if (files.length === 0) return ''
  const rows = files.slice(0, MOST_FILES).map(({ path, size }) => [path, formatBytes(size)])
  const rest = files.length > MOST_FILES ? [[`…and ${files.length - MOST_FILES} more: see the log`, '']] : []
  return folded(
    on(`${plural(files.length, 'file')} to send`, host),
    table(['File', 'Size'], [...rows, ...rest]),
  )
}
