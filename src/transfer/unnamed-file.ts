/** Room on the runner's disk that nobody has to tidy up. */
import { mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Failure } from '../protocol/failure.ts'

/**
 * Open for reading and writing. It has no name from the beginning on, so that it goes with this process, however that
 * ends. It lies where GitHub's runner has room for a job: elsewhere `/tmp` may be memory.
 * @throws Failure `runner-disk-full`
 */
export function unnamedFile(): number {
  let folder: string | undefined
  try {
    folder = mkdtempSync(join(process.env['RUNNER_TEMP'] || tmpdir(), 'gapless-'))
    return openSync(join(folder, 'file'), 'wx+', 0o600)
  } catch (error) {
    throw notWritten(error)
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** An error of writing to it, as a Failure `runner-disk-full` where that is what it means. */
export function notWritten(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return new Failure('runner-disk-full', 'the runner’s disk is full', {
    remedy:
      'Make room on the runner: what is sent is packed in its temporary folder (RUNNER_TEMP, else TMPDIR), ' +
      'which takes some 20 % of the release’s size, at most all of it.',
    evidence: message,
    cause: error,
  })
}
