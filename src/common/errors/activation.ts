/** Checking a release on the server, bringing it up, and restoring the one before. */
import { failures } from './raise.ts'
import type { ErrorTexts } from './text.ts'

const READ_LOG = 'Read the app’s last log lines in the evidence'
const SHARE_ADDRESS =
  'Let the app continue without this listener when its address is in use, or run the listener as a PM2 app of its own.'
const BY_HAND = 'Manual action is needed: run `pm2 list` and `pm2 logs` on the server.'

/**
 * The remedy after the old workers have left: until then they took a share of all requests to the public address, those
 * of the new release to itself included.
 */
export const NEEDS_OTHERS =
  'Check what the new release requests from its own public address: until then, the previous release answered ' +
  'some of these requests. Then read the last log lines in the evidence.'

/** Follow the message of a failure for which a host that is live already has to go back, and does not. */
export const notRestored = {
  none: 'There is no release to restore.',
  failed: 'Restoring {release} failed: {problem}',
}

export const texts = {
  'candidate-died': {
    message: 'The new release {ending} before it became healthy.',
    remedy: `${READ_LOG}, then check \`env\` and \`health-check-path\`.`,
    cause:
      'A missing variable, an unreachable service, a file that [Next.js does not trace](projects.md#files-read-at-run-time), or a module in `node-options` that Node.js cannot find: name its file, as in `--require ./node_modules/<package>/<file>`.',
  },
  'candidate-died: address in use': {
    message: 'The new release {ending} before it became healthy: it could not listen on "{address}".',
    remedy: SHARE_ADDRESS,
    cause: 'The app, or a process that it starts, opens a fixed address besides `app-port`.',
  },
  'candidate-died: tested': {
    message: 'The new release {ending} while `test-command` ran.',
    remedy: `${READ_LOG}: a request of the test may have ended it.`,
  },
  'candidate-silent': {
    message: 'The new release did not listen on its port within {limit}.',
    remedy: `${READ_LOG}. If the server is only slow, raise \`health-check-timeout\`.`,
  },
  'candidate-silent: address in use': {
    message:
      'The new release did not listen on its port within {limit}: it could not listen on "{address}", which is in use.',
    remedy: SHARE_ADDRESS,
  },
  'candidate-unhealthy': {
    message: 'The new release was not healthy within {limit}: {answer}.',
    remedy: `${READ_LOG}, then check \`health-check-path\`, \`health-check-status\` and \`health-check-body\`.`,
    cause: 'The path needs a login, or the app answers only for its own host names (`health-check-host`).',
  },
  'candidate-unhealthy: address in use': {
    message:
      'The new release was not healthy within {limit}, and could not listen on "{address}", which is in use: {answer}.',
    remedy: SHARE_ADDRESS,
  },
  'test-failed': {
    message: '`test-command` {ending}.',
    remedy: 'Read its last lines in the evidence, and the rest of its output in the log.',
    cause:
      'The command runs under `/bin/sh -e` on the runner, in `working-directory`. It reaches the new release at `BASE_URL`.',
  },
  'test-failed: late': {
    message: '`test-command` did not end within {limit}, and was ended.',
    remedy: 'Read its last lines in the evidence. If the command only needs longer, raise `test-timeout`.',
  },
  'worker-died': {
    message: 'A worker of "{release}" died before it received traffic (PM2 says "{status}").',
    remedy: `${READ_LOG}, then run \`pm2 logs\` on the server.`,
    cause: 'Memory ran out, `max-memory` is too low, or `app-port` is [in use](#eaddrinuse).',
  },
  'worker-died: serving': {
    message: 'A worker of "{release}" died after it began to receive traffic.',
    remedy: `${READ_LOG}, then run \`pm2 logs\` on the server.`,
  },
  'worker-unhealthy': {
    message: '{missing} of {wanted} workers did not serve "{release}" in time: {seen}.',
    remedy: `${READ_LOG}. If the server is only slow, raise \`health-check-timeout\` or lower \`instances\`.`,
  },
  'worker-unhealthy: serving': {
    message: 'Worker {pid} of "{release}" became unhealthy: {answer}.',
    remedy: `${READ_LOG}. If the server is only slow, raise \`health-check-timeout\` or lower \`instances\`.`,
  },
  'worker-died: watched': {
    message: 'A worker of "{release}" restarted or exited while the release was on probation.',
    remedy: `${READ_LOG}, then run \`pm2 logs\` on the server.`,
  },
  'worker-died: canary': {
    message: 'The worker that served "{release}" as a canary restarted or exited.',
    remedy: `${READ_LOG}, then run \`pm2 logs\` on the server.`,
  },
  'traffic-worse': {
    message:
      '{failed} of {answered} answers of "{release}" failed ({share}), against {failedBefore} of {answeredBefore} ({shareBefore}) of the release before.',
    remedy:
      'Look at the paths that failed most in the evidence, then at the app’s last log lines below them.',
    cause:
      '[What traffic says](how-it-works.md#what-traffic-says) explains the test that compares the two shares.',
  },
  'door-closed': {
    message: 'Nothing answers on "{address}": {problem}.',
    remedy: 'Run `curl -i http://{address}/` on the server, and check `app-host`.',
  },
  'door-closed: socket': {
    message: 'Nothing answers on the socket "{socket}": {problem}.',
    remedy: 'Run `curl -i --unix-socket {socket} http://localhost/` on the server.',
  },
  'hook-failed': {
    message: '`{hook}` failed: {ending}.',
    remedy: 'Read its output in the evidence, then correct the command or `env`.',
    cause: 'The command runs under `/bin/sh -e` in the release’s folder, with the release’s `env`.',
  },
  'restore-failed': {
    message: 'The previous release was not restored: {problem}.',
    remedy: BY_HAND,
    cause: '`current` points at the previous release: `pm2 restart <app>` starts it, with a short gap.',
  },
  'restore-failed: not stopped': {
    message: 'The app could not be stopped: {problem}.',
    remedy: BY_HAND,
  },
  'restore-failed: other app': {
    message: 'The app that PM2 ran before did not start again: {problem}.',
    remedy: BY_HAND,
  },
  overtaken: {
    message: '{run} was overtaken: {newer} has already deployed "{release}".',
    remedy: 'To go back on purpose, use `command: rollback`, or run this job again by hand.',
  },
  'overtaken: replaced': {
    message: '{current} replaced "{replaces}" before the {kind} began.',
    remedy: 'Run the {kind} again if its release should be live.',
  },
  'overtaken: interrupted': {
    message: 'Another deploy went live after this one was interrupted.',
    remedy: 'Run the job again if its release should be live.',
  },
  'overtaken: canary': {
    message: 'Another deploy or rollback began while "{release}" was a canary, and ended that.',
    remedy: 'Run the job again if its release should be live.',
  },
  'unknown-activation': {
    message: 'The activation never started on the server.',
    remedy: 'Deploy again.',
    cause: 'The connection was lost just as the swap was about to begin.',
  },
  'activation-silent': {
    message: 'The activation on the server has made no progress for {limit}.',
    remedy:
      'Check the server’s disks. Then end the process that `command: status` names with `kill -9`, and deploy again.',
    cause:
      '`status` is `down`, because the activation may have swapped already; the app may well be serving.',
  },
  'activation-died': {
    message: 'The activation on the server exited without a verdict.',
    remedy: 'Run `command: status` to see what serves, then deploy again.',
    cause: 'The server runs out of memory, or somebody ended the process.',
  },
  'activation-died: while restoring': {
    message: 'The activation was interrupted while it restored the previous release.',
    remedy: 'Run `command: status` to see what serves, then deploy again.',
  },
  'activation-failed': {
    message: '{problem}.',
    remedy: 'Read the first failed row of the summary, then run `command: status`.',
    cause: 'Rows of the summary have this code: a step of the activation failed on the server.',
  },
} as const satisfies ErrorTexts

export const failure = failures(texts)
