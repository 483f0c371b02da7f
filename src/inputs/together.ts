/** Which inputs are required, and which need another one. */
import { failure } from '../common/errors/inputs.ts'
import type { Problems } from './reader.ts'
import type { InputName, Values } from './table.ts'
import { inPlaceOfPreview } from './values.ts'

const proxyInputs = [
  'proxy-port',
  'proxy-username',
  'proxy-key',
  'proxy-passphrase',
  'proxy-password',
  'proxy-fingerprint',
] as const

/** @param isGiven whether the workflow gives an input, usable or not */
export function checkTogether(
  { command, host, url, 'candidate-check': candidateCheck, 'test-command': testCommand }: Values,
  isGiven: (name: InputName) => boolean,
  agentSocket: string | null,
  problems: Problems,
): void {
  if (isGiven('release') && command !== 'rollback' && command !== 'promote') {
    problems.add(failure('invalid-input: release', { command }))
  }
  const tests = (command === 'deploy' || command === 'preview') && testCommand !== null
  if (!candidateCheck && (command === 'stage' || tests)) {
    const needs = tests ? '`test-command`' : '`command: stage`'
    problems.add(failure('invalid-input: candidate check', { needs }))
  }
  const isPreview = command === 'preview' || command === 'preview-remove'
  if (isPreview && !isGiven('preview')) problems.add(failure('missing-input: preview'))
  if (!isPreview && isGiven('preview')) problems.add(failure('invalid-input: preview', { command }))
  if (!isPreview && url !== null && inPlaceOfPreview(url, '') !== url) {
    problems.add(failure('invalid-input: url of previews', { command }))
  }
  if (!isGiven('host')) problems.add(failure('missing-input'))
  if (!isGiven('username') && host.some(({ username }) => username === null)) {
    problems.add(failure('missing-input: username'))
  }
  if (!isGiven('key') && !isGiven('password') && agentSocket === null) {
    problems.add(failure('missing-input: key'))
  }
  if (!isGiven('known-hosts') && !isGiven('fingerprint')) problems.add(failure('missing-input: host key'))
  if (!isGiven('proxy-host')) {
    for (const name of proxyInputs)
      if (isGiven(name)) problems.add(failure('invalid-input: no jump host', { input: name }))
  } else if (!isGiven('proxy-fingerprint') && !isGiven('known-hosts')) {
    problems.add(failure('missing-input: host key of the jump host'))
  }
}
