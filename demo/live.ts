/** Says what is going on: one line that is written again and again on a terminal, plain lines elsewhere. */
import { columns, faint, isTerminal, say } from './console.ts'

const SPINNER = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
const FRAME_MS = 100
/** Somebody who reads a log, or waits at one, hears something at least this often. */
const LINE_MS = 5000

export interface Live {
  /** Names what begins now. */
  begin(what: string): void
  /** Adds a detail of what is going on. */
  note(detail: string): void
  /** Prints a line that stays. */
  keep(line: string): void
  stop(): void
}

/** @param more is added to each line: counters, for example */
export function startLive(what: string, more: () => string = () => ''): Live {
  let current = what
  let detail = ''
  let begun = performance.now()
  let frame = 0
  const text = () => {
    const seconds = `${Math.floor((performance.now() - begun) / 1000)} s`
    return [current.padEnd(12), seconds, more(), detail].filter((part) => part !== '').join('  ')
  }
  const draw = () => {
    frame = (frame + 1) % SPINNER.length
    process.stdout.write(`\r\x1b[K   ${SPINNER[frame]} ${text().slice(0, columns() - 6)}`)
  }
  const erase = () => {
    if (isTerminal) process.stdout.write('\r\x1b[K')
  }
  const tick = isTerminal ? draw : () => say(faint(`  ${text()}`))
  const timer = setInterval(tick, isTerminal ? FRAME_MS : LINE_MS)
  return {
    begin(next) {
      current = next
      detail = ''
      begun = performance.now()
      if (isTerminal) return
      say(`${next}…`)
      timer.refresh()
    },
    note(next) {
      detail = next
    },
    keep(line) {
      erase()
      say(line)
    },
    stop() {
      clearInterval(timer)
      erase()
    },
  }
}
