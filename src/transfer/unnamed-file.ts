/** Temporary disk space on the runner that needs no cleanup. */
import { mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { failure } from '../common/errors/runner.ts'

/**
 * Opens a file for reading and writing that has no name, so that it disappears with this process. It is in the
 * folder where GitHub's runner has room for a job: elsewhere `/tmp` may be in memory.
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
      // In a container with another user the folder may be closed to this one.
    }
  }
  return mkdtempSync(join(tmpdir(), 'gapless-'))
}

/** Returns an error of writing to the file as a Failure `runner-disk-full` where the disk is full. */
export function notWritten(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return failure('runner-disk-full', {}, { evidence: message, cause: error })
}
