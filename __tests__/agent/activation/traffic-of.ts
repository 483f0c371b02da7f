import type { Traffic } from '../../../src/protocol/traffic.ts'

/** 200 answers, of which some failed. */
export function trafficOf(failed: number): Traffic {
  return {
    answers: [0, 200 - failed, 0, 0, failed],
    aborted: 0,
    errors: 0,
    inProgress: 0,
    slowestMs: 10,
    times: [200],
    loopDelayMs: 0,
    memoryBytes: 0,
    failing: { '/cart': failed },
    past: [],
  }
}
