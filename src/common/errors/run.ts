/** What a run as a whole can fail with. */
import { failures } from './raise.ts'
import type { ErrorTexts } from './text.ts'

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
