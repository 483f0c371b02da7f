/** What a run as a whole can fail with. */
import { failures } from './raise.ts'
import type { ErrorTexts } from './text.ts'

/** The remedy of a rollback whose release is damaged. */
export const CHOOSE_ANOTHER = 'Set `release` to another one of these: {known}.'

export const texts = {
  'check-failed': {
    message: 'A deploy would fail ({count} ✖). {problem}.',
    remedy: '{remedy}',
    cause: 'The summary of `command: check` has a table of everything that a deploy needs.',
  },
  'check-late': {
    message: 'The agent did not finish the check.',
    remedy: 'Check the server’s load and its disks, then run the check again.',
  },
  'hosts-differ': {
    message: 'The hosts serve different releases: {seen}.',
    remedy: 'Deploy once to all hosts.',
  },
  'unknown-release': {
    message: 'There is no release "{release}" on {hosts}.',
    remedy: 'Set `release` to one of these: {known}.',
  },
  'unknown-release: none': {
    message: 'There is no release "{release}" on {hosts}, nor any other.',
    remedy: 'Deploy first.',
  },
  'no-release-to-go-back-to': {
    message: 'No other release served before the current one.',
    remedy: 'Set `release` to one of these: {known}.',
    cause: 'It was the first deploy, or the older releases were removed: raise `keep-releases` to keep more.',
  },
  'no-release-to-go-back-to: none': {
    message: 'Nothing has been deployed yet.',
    remedy: 'Deploy first.',
  },
  'nothing-staged': {
    message: 'No release is staged on {hosts}.',
    remedy: 'Stage a release with `command: stage`, then promote it.',
    cause:
      'The last staged release was promoted, or a newer release went live: a staged release that is older than the current one no longer counts.',
  },
  'not-staged': {
    message: 'Release "{release}" is not staged on {hosts}.',
    remedy:
      'Set `release` to a staged release: {known}. To go back to a release that served, use `command: rollback`.',
  },
  'not-staged: live': {
    message: 'Release "{release}" is already the current one.',
    remedy: 'Nothing needs to be done. To promote another release, set `release` to a staged one: {known}.',
  },
  'staged-outdated': {
    message: 'Release "{release}" is older than the current release "{current}".',
    remedy: 'Stage its commit again. To go back to a release that served, use `command: rollback`.',
    cause: 'A newer release went live after this one was staged.',
  },
  'staged-outdated: while staging': {
    message: 'The newer release "{current}" went live while "{release}" was being staged.',
    remedy: 'Run the job again if its release is still wanted.',
  },
  'staged-partly': {
    message: 'Release "{release}" is staged on {staged}, but not on {missing}.',
    remedy: 'Stage again on all hosts, or set `release` to a release that is staged on every host.',
    cause: 'A host was added to `host` after the release was staged.',
  },
  'public-url-unhealthy': {
    message: '"{url}" was not healthy within {limit}: {seen}.',
    remedy: 'Run `curl -i {url}`, and check the proxy, DNS, firewall and TLS in front of the app.',
    cause: 'The release is healthy on the server itself.',
  },
  'run-cut-off': {
    message: 'The run was cancelled before anything live was touched.',
    remedy: 'Run the job again.',
  },
  'run-cut-off: between hosts': {
    message: 'The run was interrupted between two hosts.',
    remedy: 'Run the job again.',
  },
  'run-cut-off: unknown': {
    message:
      'The run was interrupted while "{release}" was going live, and the server could not be reached to learn the result: {problem}.',
    remedy: 'Run `command: status` to see what serves, then deploy again.',
  },
  'outputs-unwritten': {
    message: 'The runner could not write the outputs {names}: {problem}.',
    remedy:
      'Read above how the run ended. Free disk space on the runner, or check the permissions of `GITHUB_OUTPUT`.',
  },
} as const satisfies ErrorTexts

export const failure = failures(texts)
