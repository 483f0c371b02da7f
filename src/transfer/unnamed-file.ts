/** Room on the runner's disk that nobody has to tidy up. */
import { mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Open for reading and writing. It has no name from the beginning on, so that it goes with this process, however that ends. */
export function unnamedFile(): number {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-'))
  try {
    return openSync(join(folder, 'file'), 'wx+', 0o600)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
