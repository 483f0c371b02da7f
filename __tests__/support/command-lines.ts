/** Watches the command lines of all processes of this machine, for what must never be on one. */
import { readdirSync, readFileSync } from 'node:fs'

export interface CommandLines {
  /** Ends the watch. @returns each command line that held one of the texts, and how often was looked */
  stop(): { readonly found: readonly string[]; readonly looks: number }
}

const EVERY = 10

export function watchCommandLines(texts: readonly string[]): CommandLines {
  const found = new Set<string>()
  let looks = 0
  const look = () => {
    looks += 1
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        if (texts.some((text) => line.includes(text))) found.add(line)
      } catch {
        // It has ended.
      }
    }
  }
  // A run of single tests (-t) may skip the one that ends the watch, and Jest would never exit.
  const timer = setInterval(look, EVERY).unref()
  return {
    stop() {
      clearInterval(timer)
      look()
      return { found: [...found], looks }
    },
  }
}
