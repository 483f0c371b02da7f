/**
 * What was revalidated, and when: the content of the file that all workers of an app share.
 *
 * Times are the server's, in ms. Whoever writes one takes it from `now()`, which never goes behind a time that is known
 * already: a clock that was set back must not bring a page back.
 */
import { createHash } from 'node:crypto'

export interface Times {
  /** What was made until then must not be shown any more; 0: nothing. */
  readonly at: number
  /** What was made until then may be shown while it is made again; 0: nothing. */
  readonly stale: number
  /** From then on that must not be shown any more either; 0: it always may. */
  readonly until: number
}

export type Line =
  | { readonly kind: 'revalidated'; readonly name: string; readonly times: Times }
  /** Names that were revalidated until then may be missing. */
  | { readonly kind: 'floor'; readonly at: number }
  /** The file ends here, and the next one goes on. */
  | { readonly kind: 'closed' }

const KIND = { revalidated: 1, floor: 2, closed: 3 } as const
const DAY = 24 * 60 * 60_000
/** Longer names are kept as their hash. */
const LONGEST_NAME = 512
/** Beyond it the oldest are forgotten, and everything that was made before they were revalidated counts as old. */
const MOST_NAMES = 20_000
/** Of a line, without its name, in bytes. */
const LINE = 60

const NEVER: Times = { at: 0, stale: 0, until: 0 }

export class Revalidations {
  readonly #clock: () => number
  readonly #most: number
  /** Those that were revalidated last come last. */
  readonly #times = new Map<string, Times>()
  #floor = 0
  #newest = 0
  #bytes = 0

  constructor(clock: () => number = Date.now, most = MOST_NAMES) {
    this.#clock = clock
    this.#most = most
  }

  /** The time for what happens now: not before anything that is known, also where the clock was set back by hours. */
  now(): number {
    const now = this.#clock()
    return this.#newest > now && this.#newest <= now + DAY ? this.#newest + 1 : now
  }

  /** Whether a time is one that no clock that is right can have told yet. */
  isAhead(time: number): boolean {
    return time > this.#clock() + DAY
  }

  timesOf(tag: string): Times {
    const times = this.#times.get(nameOf(tag))
    if (this.#floor === 0) return times ?? NEVER
    return { ...(times ?? NEVER), at: Math.max(this.#floor, times?.at ?? 0) }
  }

  apply(line: Line): void {
    if (line.kind === 'floor') this.#floor = Math.max(this.#floor, this.#past(line.at))
    else if (line.kind === 'revalidated') this.#revalidate(line.name, line.times)
  }

  /** The lines that tell all of it. */
  *lines(): Generator<Line> {
    if (this.#floor > 0) yield { kind: 'floor', at: this.#floor }
    for (const [name, times] of this.#times) yield { kind: 'revalidated', name, times }
  }

  /** How long these lines are, about, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  #revalidate(name: string, { at, stale, until }: Times): void {
    const before = this.#times.get(name)
    const times = {
      at: Math.max(before?.at ?? 0, this.#past(at)),
      stale: Math.max(before?.stale ?? 0, this.#past(stale)),
      until: stale > 0 ? until : (before?.until ?? 0),
    }
    this.#newest = Math.max(this.#newest, times.at, times.stale)
    if (before === undefined) this.#bytes += Buffer.byteLength(name) + LINE
    else this.#times.delete(name)
    this.#times.set(name, times)
    if (this.#times.size > this.#most) this.#forget()
  }

  /** A time a day ahead comes from a clock that was wrong; what it stands for has happened by now. */
  #past(time: number): number {
    return this.isAhead(time) ? this.#clock() : time
  }

  #forget(): void {
    let left = Math.ceil(this.#most / 4)
    for (const [name, { at, stale }] of this.#times) {
      if (left-- === 0) break
      this.#floor = Math.max(this.#floor, at, stale)
      this.#times.delete(name)
      this.#bytes -= Buffer.byteLength(name) + LINE
    }
  }
}

/** A page that was rendered because somebody asked for that (`res.revalidate`): it may have no tags. */
export function pageTag(path: string): string {
  return `\0${path}`
}

export function nameOf(tag: string): string {
  return tag.length <= LONGEST_NAME ? tag : `\x01${createHash('sha256').update(tag).digest('hex')}`
}

export function formatLine(line: Line): string {
  switch (line.kind) {
    case 'revalidated': {
      const { at, stale, until } = line.times
      return JSON.stringify([KIND.revalidated, line.name, at, stale, until])
    }
    case 'floor':
      return JSON.stringify([KIND.floor, line.at])
    case 'closed':
      return JSON.stringify([KIND.closed])
  }
}

/** @returns null for what is no line: the rest of one whose writer died, or one of a later version */
export function parseLine(text: string): Line | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!Array.isArray(value)) return null
  const [kind, ...rest] = value as readonly unknown[]
  if (kind === KIND.closed) return { kind: 'closed' }
  if (kind === KIND.floor) return isTime(rest[0]) ? { kind: 'floor', at: rest[0] } : null
  const [name, at, stale, until] = rest
  if (kind !== KIND.revalidated || typeof name !== 'string') return null
  return isTime(at) && isTime(stale) && isTime(until)
    ? { kind: 'revalidated', name, times: { at, stale, until } }
    : null
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
