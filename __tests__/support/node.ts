/** Other versions of Node.js than the one that runs the tests, as npm has them. */
import { execFileSync } from 'node:child_process'

const found = new Map<string, string>()

/** The newest of a major version, by its path: npx itself would stand between a signal and the program. */
export function nodeBinary(major: string): string {
  const known = found.get(major)
  if (known !== undefined) return known
  const path = execFileSync('npx', ['-y', `node@${major}`, '-p', 'process.execPath'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()
  found.set(major, path)
  return path
}
