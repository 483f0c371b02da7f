/** Ends PM2's daemon, whose workers go on serving, in a moment in which it has no visitor in hand. */
import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { acceptedBy } from '../../common/listening-sockets.ts'
import { startTimeOf } from '../../common/process-identity.ts'
import { isRunning, isStopped, kill, signal } from '../system/processes.ts'

/** How long such a moment is waited for, in ms. */
const PATIENCE = 3000
const LOOK = 5

export async function endDaemon(pid: number): Promise<void> {
  const startTime = startTimeOf(pid)
  if (startTime === null) return
  const lives = () => isRunning(pid, startTime)
  const release = continueAtDeath(pid)
  try {
    const begun = performance.now()
    while (performance.now() - begun < PATIENCE && lives() && !(await isStoppedIdle(pid))) {
      signal(pid, 'SIGCONT')
      await delay(LOOK)
    }
    // On SIGTERM it would stop its workers.
    if (lives()) await kill([pid])
  } finally {
    release()
  }
}

/** The daemon closes a connection when a worker says that it has it. */
async function isStoppedIdle(pid: number): Promise<boolean> {
  signal(pid, 'SIGSTOP')
  for (let waited = 0; waited < 50 && !isStopped(pid); waited += 1) await delay(1)
  return isStopped(pid) && acceptedBy(pid).length === 0
}

/** A stopped daemon would let every visitor wait: should this process be killed, another lets the daemon go on. */
function continueAtDeath(pid: number): () => void {
  const script = `read -r _; kill -CONT ${pid}`
  const keeper = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  keeper.on('error', () => undefined)
  keeper.stdin.on('error', () => undefined)
  keeper.unref()
  return () => keeper.kill('SIGKILL')
}
