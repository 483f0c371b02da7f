import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The PM2 daemon of a user, as its pid. */
export function daemonPid({ home }: { readonly home: string }): number {
  return Number(readFileSync(join(home, '.pm2', 'pm2.pid'), 'utf8'))
}
