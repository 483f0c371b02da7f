/** What the main step tells the post step, which reports a run that was interrupted. */
import * as core from '@actions/core'
import type { Log } from '../pipeline.ts'
import { problemOf } from './problem.ts'

/** What follows where it cannot be written. */
const CONSEQUENCES = {
  /** The run has reported. */
  finished: 'the post step may report this run as interrupted',
  /** The one that this run may begin. */
  activation: 'after a cancelled job the post step cannot tell how the run ended',
  /** The one that may go live from now on. */
  release: 'after a cancelled job the post step may not know that the swap had begun',
  /** The one on GitHub that this run has begun. */
  deployment: 'after a cancelled job the deployment on GitHub stays in progress',
} as const

/** The server finishes a deploy whatever the post step knows: a failed write is only warned of. */
export function remember(
  name: keyof typeof CONSEQUENCES,
  value: string | number | true,
  log: Pick<Log, 'warning'>,
): void {
  const problem = problemOf(() => core.saveState(name, String(value)))
  const consequence = CONSEQUENCES[name]
  if (problem !== null) log.warning(`Could not save the state of this step (${problem}): ${consequence}.`)
}

export function remembered(name: keyof typeof CONSEQUENCES): string | undefined {
  return core.getState(name) || undefined
}
