/** The agent as the action brings it to a server: one file, which here only names the compiled sources. */
import { join } from 'node:path'
import type { Bootstrap } from '../../src/agent-client/bootstrap.ts'

/** @param compiled the folder that `compile` made */
export function agentOf(
  compiled: string,
  changes: Partial<Omit<Bootstrap, 'source'>> = {},
): Omit<Bootstrap, 'sentinel'> {
  const file = JSON.stringify(join(compiled, 'agent', 'index.js'))
  return {
    source: Buffer.from(`exports.serve = require(${file}).serve\n`),
    persist: true,
    path: 'apps/site',
    options: { appName: 'site', binPath: [] },
    ...changes,
  }
}
