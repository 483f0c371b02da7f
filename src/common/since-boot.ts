import { uptime } from 'node:os'

/** In ms: a clock that all processes of the machine share, and nobody sets. */
export function sinceBoot(): number {
  return Math.round(uptime() * 1000)
}
