/** Room on the runner's disk that nobody has to tidy up. */
import { mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { failure } from '../common/errors/runner.ts'

/**
 * Open for reading and writing. It has no name from the beginning on, so that it goes with this process, however that
 * ends. It lies where GitHub's runner has room for a job: elsewhere `/tmp` may be memory.
 * @throws Failure `runner-disk-full`
 */
export function unnamedFile(): number {
  let folder: string | undefined
  try {
    folder = newFolder()
    return openSync(join(folder, 'file'), 'wx+', 0o600)
  } catch (error) {
    throw notWritten(error)
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}

function newFolder(): string {
  const ofRunner = process.env['RUNNER_TEMP']
  if (ofRunner) {
    try {
      return mkdtempSync(join(ofRunner, 'gapless-'))
    } catch {
      // In a container of another user it may be closed to this one.
    }
  }
  return mkdtempSync(join(tmpdir(), 'gapless-'))
}

/** An error of writing to it, as a Failure `runner-disk-full` where that is what it means. */
export function notWritten(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return failure('runner-disk-full', {}, { evidence: message, cause: error })
}
