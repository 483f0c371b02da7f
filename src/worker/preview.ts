/** What sets a preview's worker apart: it gives way to the app that it previews, and shares nothing with it. */
import cluster from 'node:cluster'
import { writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'

/** Search engines must not list a preview. */
export const NOINDEX = { 'X-Robots-Tag': 'noindex' } as const

/** The app's own workers have 0. */
const NICE = 10
/** Where memory runs out, the kernel ends a process with a higher number first; the app's own have 0. */
const OOM_SCORE = '500'

export function behaveAsPreview(): void {
  bestEffort(() => setPriority(NICE))
  bestEffort(() => writeFileSync('/proc/self/oom_score_adj', OOM_SCORE))
  // In a cluster worker every `listen` and `bind` asks PM2's daemon, which gives all apps one socket for one port: the
  // preview would take a share of the app's connections to a second port (Node 18 to 24).
  Object.assign(cluster, { isPrimary: true, isMaster: true, isWorker: false })
}

/** A container may forbid it: then the preview runs as any other process. */
function bestEffort(act: () => void): void {
  try {
    act()
  } catch (error) {
    console.error('gapless: cannot lower the priority of the preview:', (error as Error).message)
  }
}
