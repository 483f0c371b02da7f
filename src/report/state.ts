/** What the main step tells the post step, which reports a run that was interrupted. */
import * as core from '@actions/core'
import type { Log } from '../pipeline.ts'
import { problemOf } from './problem.ts'

type Warn = Pick<Log, 'warning'>

export function markFinished(log: Warn): void {
  saveState(log, 'finished', 'true', 'the post step may report this run as interrupted')
}

export function rememberActivation(id: string, log: Warn): void {
  saveState(log, 'activation', id, 'after a cancelled job the post step cannot tell how the run ended')
}

export function rememberRelease(id: string, log: Warn): void {
  saveState(log, 'release', id, 'after a cancelled job the post step may not know that the swap had begun')
}

export function rememberDeployment(id: number, log: Warn): void {
  saveState(log, 'deployment', String(id), 'after a cancelled job the deployment on GitHub stays in progress')
}

export function rememberedDeployment(): number | undefined {
  return Number(core.getState('deployment')) || undefined
}

/** Returns the activation that an interrupted run may have begun. */
export function rememberedActivation(): string | undefined {
  return core.getState('activation') || undefined
}

/** Returns the release that an interrupted run was about to make live; undefined before the swap. */
export function rememberedRelease(): string | undefined {
  return core.getState('release') || undefined
}

export function isFinished(): boolean {
  return core.getState('finished') === 'true'
}

/** The server finishes a deploy whatever the post step knows: a failed write is only warned of. */
function saveState(log: Warn, name: string, value: string, consequence: string): void {
  const problem = problemOf(() => core.saveState(name, value))
  if (problem !== null) log.warning(`Could not save the state of this step (${problem}): ${consequence}.`)
}
