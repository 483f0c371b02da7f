/** The journal: what activations did, one JSON line each, appended and flushed. */
import { constants } from 'node:fs'
import { type FileHandle, open, readFile, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parse } from '../../protocol/guards.ts'
import {
  type ActivationStep,
  type JournalEntry,
  journalEntry,
  type Verdict,
} from '../../protocol/messages.ts'
import { withFile, writeFileAtomic } from '../system/files.ts'

export interface Journal {
  begin(step: ActivationStep, detail: string, facts?: Partial<Facts>): Promise<void>
  note(step: ActivationStep, detail: string): Promise<void>
  done(step: ActivationStep, detail: string): Promise<void>
  failed(step: ActivationStep, detail: string): Promise<void>
  verdict(verdict: Verdict): Promise<void>
  /** From here on going on matters more than the record: a step that cannot be written down is done all the same. */
  bestEffort(): void
}

/** What whoever resumes the activation has to know. */
type Facts = Pick<JournalEntry, 'before' | 'cause' | 'probation' | 'canary'>
const none: Facts = { before: null, cause: null, probation: null, canary: null }

type Attempt = (act: () => Promise<void>) => Promise<void>

/**
 * @param withReserve carries out each write, and may make room where there is none
 */
export function openJournal(
  file: string,
  activation: string,
  withReserve: Attempt = (act) => act(),
): Journal {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND
  return journalOf((line) =>
    withReserve(() =>
      withFile(file, flags, 0o600, async (handle) => {
        const entry = { time: new Date().toISOString(), activation, ...line }
        // A line of its own, even after one that a crash cut off.
        await handle.writeFile(`\n${JSON.stringify(entry)}\n`)
        await handle.sync()
      }),
    ),
  )
}

export type JournalLine = Omit<JournalEntry, 'time' | 'activation'>

/** @param write settles when the line is on the disk */
export function journalOf(write: (line: JournalLine) => Promise<void>): Journal {
  let strict = true
  const step =
    (state: JournalEntry['state']) =>
    (name: ActivationStep, detail: string, facts: Partial<Facts> = none) =>
      write({ step: name, state, detail, verdict: null, ...none, ...facts }).catch((error: unknown) => {
        if (strict && state !== 'note') throw error
        console.error(`${name} ${state}: ${detail} (not in the journal: ${(error as Error).message})`)
      })
  return {
    begin: step('begin'),
    note: step('note'),
    done: step('done'),
    failed: step('failed'),
    verdict: (verdict) => write({ step: null, state: 'verdict', detail: verdict.status, verdict, ...none }),
    bestEffort: () => void (strict = false),
  }
}

/** The last `limit` entries, or all. A line that was cut off by a crash is passed over. */
export async function readJournal(file: string, limit = Infinity): Promise<readonly JournalEntry[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.split('\n').flatMap(parseLine).slice(-limit)
}

/** Above this many bytes (some 200 deploys) the journal loses its older half. */
const LONG = 1024 * 1024

/**
 * Keeps the journal from growing for ever. For the holder of the lock: nobody else then writes more than that it waits
 * for the lock, and a line that is lost with the old file tells nothing that recovery needs.
 */
export async function trimJournal(file: string): Promise<void> {
  const bytes = await readFile(file).catch(() => Buffer.alloc(0))
  if (bytes.length <= LONG) return
  const half = bytes.subarray(bytes.indexOf('\n', bytes.length - LONG / 2) + 1)
  await writeFileAtomic(file, half, 0o600)
}

const POLL = 50

interface Followed {
  readonly entry: JournalEntry
  /** Where its line ends, in bytes: from here the next one may be followed. */
  readonly end: number
}

/**
 * Follows one activation's entries as they are written, until `ended` says that its process is gone and
 * everything that it wrote has been read.
 * @param from where to begin, in bytes
 */
export async function* followJournal(
  file: string,
  from: number,
  activation: string,
  ended: () => boolean,
): AsyncGenerator<Followed, void, undefined> {
  const openFile = () => open(file, constants.O_RDONLY | constants.O_CREAT, 0o600)
  let handle = await openFile()
  const chunk = Buffer.alloc(64 * 1024)
  let rest = Buffer.alloc(0)
  let last = false
  let position = from
  try {
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, position)
      position += bytesRead
      if (bytesRead === 0) {
        if (await wasReplaced(file, handle, position)) {
          await handle.close()
          handle = await openFile()
          position = 0
          rest = Buffer.alloc(0)
          continue
        }
        if (last) return
        // Read once more after the end: the last line may have been written in between.
        if (ended()) last = true
        else await delay(POLL)
        continue
      }
      rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        const line = rest.subarray(0, end).toString('utf8')
        rest = rest.subarray(end + 1)
        for (const entry of parseLine(line)) {
          if (entry.activation === activation) yield { entry, end: position - rest.length }
        }
      }
    }
  } finally {
    await handle.close()
  }
}

/** Somebody emptied the journal by hand, or put another file in its place: what comes next is in the new one. */
async function wasReplaced(file: string, handle: FileHandle, position: number): Promise<boolean> {
  const [opened, there] = await Promise.all([handle.stat(), stat(file).catch(() => null)])
  return there !== null && (there.ino !== opened.ino || opened.size < position)
}

function parseLine(line: string): readonly JournalEntry[] {
  try {
    return [parse(journalEntry, line, 'journal')]
  } catch {
    return []
  }
}
