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
    ['a deploy', live, `${now} is live and verified. It replaced ${before}.`],
    ['the first deploy', { ...live, previousRelease: null }, `${now} is live and verified.`],
    ['the live release again', { ...live, previousRelease: now }, `${now} is live and verified.`],
    [
      'a failure before the swap',
      outcomeOf({ ...failed, status: 'kept', liveRelease: before }),
      `The deploy stopped before anything live was changed. ${before} is still live.`,
    ],
    [
      'a failure before the first swap',
      outcomeOf({ ...failed, status: 'kept' }),
      'The deploy stopped before anything went live.',
    ],
    [
      'a dry run',
      outcomeOf({ status: 'kept', succeeded: true, liveRelease: before }),
      `Dry run: nothing was changed. ${before} is live.`,
    ],
    [
      'a dry run before the first deploy',
      outcomeOf({ status: 'kept', succeeded: true }),
      'Dry run: nothing was changed. No release is live.',
    ],
    [
      'a staged release',
      outcomeOf({ status: 'staged', succeeded: true, release: now, liveRelease: before }),
      `${now} is verified and staged. ${before} is still live.`,
      'stage',
    ],
    [
      'a failure after the swap',
      outcomeOf({ ...failed, status: 'restored', liveRelease: before }),
      `${now} failed after the swap. ${before} was restored and is live and verified.`,
    ],
    [
      'a failure after which nothing is healthy',
      outcomeOf({ ...failed, status: 'down', hosts: [hostOutcome({ status: 'down', live: null })] }),
      `${now} failed, and no release is known to be healthy.`,
    ],
    [
      'a first release that its public URL does not show',
      outcomeOf({
        ...failed,
        status: 'down',
        liveRelease: now,
        previousRelease: null,
        hosts: [hostOutcome({ status: 'down' })],
      }),
      `${now} failed. It still serves, but is not known to be healthy.`,
    ],
    [
      'a failure that another release survived',
      outcomeOf({
        ...failed,
        status: 'down',
        liveRelease: before,
        hosts: [hostOutcome({ status: 'down', live: before })],
      }),
      `${now} failed. ${before} serves, but is not known to be healthy.`,
    ],
    [
      'an interrupted run whose server cannot be reached',
      outcomeOf({ ...failed, status: 'down' }),
      `It is unknown whether ${now} is live.`,
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
      `${now} failed. Serving now: ${before} on a, c; unknown on b.`,
    ],
    [
      'hosts that were restored to different releases',
      outcomeOf({
        ...failed,
        status: 'restored',
        hosts: [
          hostOutcome({ name: 'a', status: 'restored', live: before }),
          hostOutcome({ name: 'b', status: 'kept', live: '20261101000000' }),
        ],
      }),
      `${now} failed after the swap. Every host was restored: ${before} on a; 20261101000000 on b.`,
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
      'Not every worker serves the current release.',
      'status',
    ],
    [
      'the status of an app that is stopped',
      statusOf({ live: null, releases: [releaseSummary({ live: true })] }),
      `The app is not running: ${now} is current, but it has no worker.`,
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
