import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** How long Jest may take to end after its report, in ms. */
const GRACE = 10_000
/** How long a process whose event loop still turns may take to say what it waits for, in ms. */
const ANSWER = 10_000
const POLL = 500
/** The signal that still-open.mjs answers. */
const ASK = 'SIGUSR2'

/**
 * Waits until a run of Jest has ended. One that does not end after its report is killed, and why it did not is said:
 *
 * - A test that left something open keeps the event loop turning: `still-open.mjs`, which the run has loaded, answers the
 *   signal and names it. That fails the run.
 * - Node.js can lock up at its own end, when no JavaScript runs any more: by what still-open.mjs avoids, or as in
 *   nodejs/node#54918. Then nobody answers: the signal is without effect, or ends the process. The report is whole by
 *   then, and counts.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} report the file that Jest writes at the end
 * @param {{ grace?: number, answer?: number, say?: (line: string) => void }} [options] times in ms
 * @returns {Promise<boolean>} whether the run passed
 */
export async function runEnds(child, report, { grace = GRACE, answer = ANSWER, say = console.error } = {}) {
  let ended
  const end = new Promise((resolve) =>
    child.once('close', (code, signal) => resolve((ended = { code, signal }))),
  )
  const pause = (ms) => Promise.race([end, new Promise((resolve) => setTimeout(resolve, ms).unref())])
  while (ended === undefined && !existsSync(report)) await pause(POLL)
  await pause(grace)
  if (ended !== undefined) return ended.code === 0
  const threads = threadsOf(child.pid)
  child.kill(ASK)
  await pause(answer)
  if (ended?.code === 0) return true
  say(`Jest has written its report and does not end. Its threads: ${threads}`)
  if (ended !== undefined && ended.signal !== ASK) {
    say('A test left something open.')
    return false
  }
  say('Node.js locked up at its end.')
  child.kill('SIGKILL')
  await end
  return JSON.parse(readFileSync(report, 'utf8')).success === true
}

/** What each thread of a process does: its state and what it waits for in the kernel. Linux alone tells. */
function threadsOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((id) => threadOf(`/proc/${pid}/task/${id}`))
      .join(', ')
  } catch {
    return 'unknown'
  }
}

function threadOf(folder) {
  const state = /^State:\s+(\S)/m.exec(readFileSync(join(folder, 'status'), 'utf8'))?.[1]
  return `${state} ${readFileSync(join(folder, 'wchan'), 'utf8')}`
}
