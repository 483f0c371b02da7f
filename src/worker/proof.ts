/** The trial of a worker behind its closed door. */
import { setTimeout as delay } from 'node:timers/promises'
import type { HealthCheck } from '../common/health.ts'
import { type Answer, askHealth } from '../common/health.ts'

/** Asks this often within an observation even where the user's interval is longer, in milliseconds. */
const LONGEST_PAUSE = 1000

export interface Trial {
  readonly port: number
  readonly check: HealthCheck
  /** How long the release must answer without a break, in milliseconds; 0: one healthy answer will do. */
  readonly observeMs: number
  /** How long only a healthy answer counts, in milliseconds; after that any HTTP answer does. */
  readonly insistMs: number
  readonly onAnswer: (answer: Answer) => void
}

/** Resolves when the release has proved itself. It tries for ever: the agent, or PM2's user, decides when to stop. */
export async function proveHealthy({ port, check, observeMs, insistMs, onAnswer }: Trial): Promise<void> {
  const pause = Math.max(
    50,
    Math.min(check.intervalMs, observeMs > 0 ? observeMs / 3 : LONGEST_PAUSE, LONGEST_PAUSE),
  )
  const begun = performance.now()
  let healthySince: number | undefined
  for (;;) {
    const answer = await askHealth('127.0.0.1', port, check)
    onAnswer(answer)
    const content = answer.status > 0 && performance.now() - begun >= insistMs
    if (answer.healthy || content) {
      healthySince ??= performance.now()
      if (performance.now() - healthySince >= observeMs) return
    } else {
      healthySince = undefined
    }
    await delay(pause)
  }
}
