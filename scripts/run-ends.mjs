import { existsSync, readFileSync } from 'node:fs'

/** How long Jest may take to end after its report, in ms. */
const GRACE = 30_000
const POLL = 500

/**
 * Waits until a run of Jest has ended. One that does not end after its report is killed, and why it did not is said:
 *
 * - Node.js can lock up at its own end, when a thread that compiles waits for the main thread and the main thread for it
 *   (nodejs/node#54918, seen with 20.20). The report is whole by then, and counts.
 * - A test that left something open keeps the process alive. That fails the run.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} report the file that Jest writes at the end
 * @param {{ grace?: number, say?: (line: string) => void }} [options] `grace` in ms
 * @returns {Promise<boolean>} whether the run passed
 */
export async function runEnds(child, report, { grace = GRACE, say = console.error } = {}) {
  let status
  const end = new Promise((resolve) => child.once('close', (code) => resolve((status = code ?? 1))))
  const pause = (ms) => Promise.race([end, new Promise((resolve) => setTimeout(resolve, ms).unref())])
  while (status === undefined && !existsSync(report)) await pause(POLL)
  await pause(grace)
  if (status !== undefined) return status === 0
  const locked = isLocked(child.pid)
  const why = locked ? 'Node.js locked up at its end (nodejs/node#54918)' : 'a test left something open'
  say(`Jest has written its report and does not end: ${why}. It is killed.`)
  child.kill('SIGKILL')
  await end
  return locked && JSON.parse(readFileSync(report, 'utf8')).success === true
}

/** Whether the main thread waits for another one, and not for events. Linux alone tells. */
function isLocked(pid) {
  try {
    return readFileSync(`/proc/${pid}/wchan`, 'utf8').startsWith('futex')
  } catch {
    return false
  }
}
