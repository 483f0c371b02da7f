/** Packages as npm's registry has them, also those for other systems than this one. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** Kept from run to run, ignored by git. */
const cache = join(import.meta.dirname, '..', '..', '.cache', 'packages')

/**
 * @param name with its version: `left-pad@1.3.0`
 * @returns reads a file of the package
 */
export async function fetchPackage(name: string): Promise<(file: string) => Buffer> {
  const folder = join(cache, name.replaceAll('/', '+'))
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true })
    const making = mkdtempSync(join(cache, 'making-'))
    const { stdout } = await run('npm', ['pack', '--silent', name], { cwd: making })
    await run('tar', ['-xzf', stdout.trim()], { cwd: making })
    renameSync(making, folder)
  }
  return (file) => readFileSync(join(folder, 'package', file))
}
