/** A temporary folder of a test's own, real path, and its end. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from '@jest/globals'

/** Call at the top of a test file. @returns a function that makes a folder, which is removed after all tests of the file */
export function temporaryFolders(): () => string {
  const made: string[] = []
  // Not after each test: the processes of a test, which may still write, are ended only then.
  afterAll(() => {
    for (const folder of made) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'gapless-test-')))
    made.push(folder)
    return folder
  }
}
