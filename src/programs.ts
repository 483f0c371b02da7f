/** The bundles stand side by side: dist/main, dist/post, dist/agent, dist/launcher. */
import { dirname, join } from 'node:path'
import type { Programs } from './phases/index.ts'

export function programs(): Programs {
  const dist = dirname(dirname(process.argv[1]!))
  return { agentFile: join(dist, 'agent', 'index.cjs'), launcherFile: join(dist, 'launcher', 'index.cjs') }
}
