import { describe, expect, test } from '@jest/globals'
import { type Command, sentence } from '../../src/report/sentence.ts'
import type { HostOutcome, Outcome } from '../../src/outcome.ts'
import { before, hostOutcome, live, now, outcomeOf, releaseSummary, workerState } from './outcomes.ts'

function statusOf(host: Partial<HostOutcome>): Outcome {
  return outcomeOf({ status: 'down', succeeded: true, hosts: [hostOutcome(host)] })
}

describe('the one sentence says what is live and whether what was asked for happened:', () => {
  const failed = { succeeded: false, release: now, previousRelease: before }
  const cases: readonly [string, Outcome, string, Command?][] = [
    ['a deploy', live, `${now} is live and verified; before it was ${before}.`],
    ['the first deploy', { ...live, previousRelease: null }, `${now} is live and verified.`],
    ['the live release again', { ...live, previousRelease: now }, `${now} is live and verified.`],
    [
      'a failure before the swap',
      outcomeOf({ ...failed, status: 'kept', liveRelease: before }),
      `${before} is still live, untouched.`,
    ],
    [
      'a failure before the first swap',
      outcomeOf({ ...failed, status: 'kept' }),
      'Nothing went live, and nothing on the server was touched.',
    ],
    [
      'a dry run',
      outcomeOf({ status: 'kept', succeeded: true, liveRelease: before }),
      `Dry run: nothing was changed; ${before} is live.`,
    ],
    [
      'a dry run before the first deploy',
      outcomeOf({ status: 'kept', succeeded: true }),
      'Dry run: nothing was changed; no release is live.',
    ],
    [
      'a failure after the swap',
      outcomeOf({ ...failed, status: 'restored', liveRelease: before }),
      `${now} failed after the swap; ${before} was put back and is live and verified.`,
    ],
    [
      'a failure that nothing cured',
      outcomeOf({ ...failed, status: 'down' }),
      `${now} failed, and no release is known to be healthy.`,
    ],
    [
      'a first release that its public URL does not show',
      outcomeOf({ ...failed, status: 'down', liveRelease: now, previousRelease: null }),
      `${now} failed; ${now} takes requests, but is not known to be healthy.`,
    ],
    [
      'a failure that not every host came back from',
      outcomeOf({
        ...failed,
        status: 'down',
        hosts: [
          hostOutcome({ name: 'a', status: 'restored', live: before }),
          hostOutcome({ name: 'b', status: 'down', live: null }),
          hostOutcome({ name: 'c', status: 'kept', live: before }),
        ],
      }),
      `${now} failed: ${before} on a, c; nothing that is known on b.`,
    ],
    [
      'hosts that went back to what each had',
      outcomeOf({
        ...failed,
        status: 'restored',
        hosts: [
          hostOutcome({ name: 'a', status: 'restored', live: before }),
          hostOutcome({ name: 'b', status: 'kept', live: '20261101000000' }),
        ],
      }),
      `${now} failed after the swap; every host was put back: ${before} on a; 20261101000000 on b.`,
    ],
    [
      'the status of a healthy app',
      outcomeOf({ status: 'live', succeeded: true, liveRelease: now }),
      `${now} is live.`,
      'status',
    ],
    [
      'the status of an app that is not',
      statusOf({ live: now, releases: [releaseSummary({ live: true })], workers: [workerState()] }),
      'The workers do not all serve the release that is meant to be live.',
      'status',
    ],
    [
      'the status of an app that is stopped',
      statusOf({ live: null, releases: [releaseSummary({ live: true })] }),
      `${now} is meant to be live, but no worker runs.`,
      'status',
    ],
    [
      'the status after a first deploy that failed',
      statusOf({ live: null, releases: [releaseSummary()] }),
      'No release is live.',
      'status',
    ],
    [
      'the status before the first deploy',
      statusOf({ live: null }),
      'Nothing has been deployed yet.',
      'status',
    ],
  ]
  test.each(cases)('%s', (_, outcome, expected, command = 'deploy') => {
    expect(sentence(outcome, command)).toBe(expected)
  })
})
