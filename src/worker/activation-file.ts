/**
 * `<path>/.gapless/activation.json`: the activation under way, as the workers need to know it. The agent writes
 * it; a launcher reads it at its start, and again when it is told to leave, and as long as it stays then.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startTimeOf } from '../common/process-identity.ts'

export interface ActivationFile {
  /** The activation's process: when it is gone, so is the activation. */
  readonly pid: number
  readonly startTime: string
  /** The release on trial. */
  readonly target: string
  /** Whether the target's workers must prove themselves for `observe` before they take traffic. */
  readonly observe: boolean
  /**
   * How long the workers of other releases go on serving at the most, in ms since they were told to leave; 0: they do
   * not. The activation ends that by its next word, or by removing this file. Where its process dies meanwhile they
   * stay: they may be all that serves, and who takes it up begins with a word of its own.
   */
  readonly stay: number
  /**
   * Whether a worker that starts now waits to be stopped, instead of starting its release. PM2 takes a process that
   * is stopped before it was ready for one that crashed, and starts it anew (7.0.4): only an idle one can be stopped.
   */
  readonly halt: boolean
}

export function activationFile(appDirectory: string): string {
  return join(appDirectory, '.gapless', 'activation.json')
}

/** The activation under way, or null. */
export function readActivation(appDirectory: string): ActivationFile | null {
  const activation = lastActivation(appDirectory)
  return activation !== null && startTimeOf(activation.pid) === activation.startTime ? activation : null
}

/** The activation under way, or one that was when its process died; null where it has ended. */
export function lastActivation(appDirectory: string): ActivationFile | null {
  try {
    return JSON.parse(readFileSync(activationFile(appDirectory), 'utf8')) as ActivationFile
  } catch {
    return null
  }
}
