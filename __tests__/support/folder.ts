/** A temporary folder of a test's own, real path, and its end. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from '@jest/globals'

/** Call at the top of a test file. @returns a function that makes a folder which is removed after the test */
export function temporaryFolders(): () => string {
  const made: string[] = []
  afterEach(() => {
    for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'gapless-test-')))
    made.push(folder)
    return folder
  }
}
