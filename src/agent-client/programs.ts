/** The bundles are side by side in dist/. */
import { dirname, join } from 'node:path'

/** The two programs that the action sends to the server. */
export interface Programs {
  readonly agentFile: string
  readonly launcherFile: string
}

export function programs(): Programs {
  const dist = dirname(process.argv[1]!)
  return { agentFile: join(dist, 'agent.cjs'), launcherFile: join(dist, 'launcher.cjs') }
}
