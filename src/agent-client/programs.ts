/** The bundles are side by side in dist/. */
import { dirname, join } from 'node:path'

export interface Programs {
  readonly agentFile: string
  readonly launcherFile: string
}

export function programs(): Programs {
  const dist = dirname(process.argv[1]!)
  return { agentFile: join(dist, 'agent.cjs'), launcherFile: join(dist, 'launcher.cjs') }
}
