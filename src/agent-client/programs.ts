/** The bundles stand side by side in dist/. */
import { dirname, join } from 'node:path'

/** The other two programs, which the action brings to the server. */
export interface Programs {
  readonly agentFile: string
  readonly launcherFile: string
}

export function programs(): Programs {
  const dist = dirname(process.argv[1]!)
  return { agentFile: join(dist, 'agent.cjs'), launcherFile: join(dist, 'launcher.cjs') }
}
