/** What the workflow says. */
import { failures } from './raise.ts'
import type { ErrorTexts } from './text.ts'

const CORRECT = 'Correct the input in the workflow: `docs/inputs.md` lists what each input accepts.'

/** Follows the remedies of inputs that are missing. */
export const ifSecret =
  'If the value comes from a secret, check its name. Workflow runs from forks and from Dependabot get empty secrets.'

export const texts = {
  'missing-input': {
    message: 'Input `host` is required.',
    remedy: 'Set `host` to the server to deploy to.',
    cause:
      'A secret that does not exist is empty. Workflow runs from forks and from Dependabot get no secrets.',
  },
  'missing-input: username': {
    message: 'Input `username` is required, unless `host` is written as user@host.',
    remedy: 'Set `username` to the SSH user that runs the app.',
  },
  'missing-input: key': {
    message: 'Input `key` is required, unless there is a `password` or an SSH agent (`SSH_AUTH_SOCK`).',
    remedy: 'Set `key` to the text of a private key whose public key the server accepts.',
  },
  'missing-input: host key': {
    message: 'Input `known-hosts` or `fingerprint` is required to verify the server’s identity.',
    remedy:
      'Set `fingerprint` to what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the server (SHA256:…), or `known-hosts` to the lines of a known_hosts file.',
  },
  'missing-input: host key of the jump host': {
    message: 'Input `proxy-fingerprint` is required, unless `known-hosts` has the key of the jump host.',
    remedy: 'Set `proxy-fingerprint`, or add the jump host’s line to `known-hosts`.',
  },
  'missing-input: app name': {
    message: 'Input `app-name` is required, because package.json has no name.',
    remedy: 'Set `app-name` to the name that the app should have in PM2.',
  },
  'missing-input: unusable app name': {
    message:
      'Input `app-name` is required, because the name in package.json is "{given}" and must be {accepted}.',
    remedy: 'Set `app-name` to the name that the app should have in PM2.',
  },
  'missing-input: preview': {
    message: 'Input `preview` is required to name the preview.',
    remedy: 'Set `preview` to a name such as pr-12.',
  },
  'missing-input: several': {
    message: '{count} inputs cannot be used:{list}.',
    remedy: '{remedy}',
  },
  'invalid-input': {
    message: 'Input `{input}` must be {accepted}, but {verb} "{given}".',
    remedy: CORRECT,
  },
  'invalid-input: not shown': {
    message: 'Input `{input}` must be {accepted}; the value is not shown, because it may contain a secret.',
    remedy: CORRECT,
  },
  'invalid-input: too long to show': {
    message:
      'Input `{input}` must be {accepted}; the value is not shown, because it has {length} characters.',
    remedy: CORRECT,
  },
  'invalid-input: release': {
    message: 'Input `release` needs `command: rollback` or `command: promote`, but the command is {command}.',
    remedy: CORRECT,
  },
  'invalid-input: candidate check': {
    message: 'Input `candidate-check` must be true for {needs}, which needs a candidate.',
    remedy: CORRECT,
  },
  'invalid-input: preview': {
    message: 'Input `preview` needs `command: preview` or `preview-remove`, but the command is {command}.',
    remedy: CORRECT,
  },
  'invalid-input: url of previews': {
    message: 'Input `url` has the placeholder of a preview’s name, but the command is {command}.',
    remedy: CORRECT,
  },
  'invalid-input: no jump host': {
    message: 'Input `{input}` needs `proxy-host`, which is not set.',
    remedy: CORRECT,
  },
  'invalid-input: server named twice': {
    message: 'Input `host` must name each server once, but names "{host}" twice.',
    remedy: CORRECT,
  },
  'invalid-input: path named twice': {
    message: 'Input `{input}` must name each path once, but "{inner}" is covered by "{outer}".',
    remedy: CORRECT,
  },
  'invalid-input: unreadable env': {
    message: 'Input `env` cannot be read: line {line} must be {expected}.',
    remedy: CORRECT,
  },
  'invalid-input: variable of another input': {
    message: 'Input `env` must not set {name}: set `{input}` instead.',
    remedy: CORRECT,
  },
  'invalid-input: several': {
    message: '{count} inputs cannot be used:{list}.',
    remedy: '{remedy}',
  },
} as const satisfies ErrorTexts

export const failure = failures(texts)
