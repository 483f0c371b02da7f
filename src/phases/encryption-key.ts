/** The key for the build's server actions: the user's own, else the app's, which the server keeps. */
import { KEY_VARIABLE, hasOwnKey } from '../next/server-actions.ts'
import type { Log } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { AgentSession } from '../agent-client/agent-session.ts'

/** @returns undefined where the build has a key of its own, nothing is built, or a dry run finds none */
export async function encryptionKey(
  { inputs }: Plan,
  directory: string,
  agent: AgentSession,
  log: Log,
): Promise<string | undefined> {
  if (inputs['build-command'] === 'none' || hasOwnKey(directory)) return undefined
  // The workers prefer the key in their environment: a build with another key would not fit them.
  const atRunTime = inputs.runtime.env[KEY_VARIABLE]
  if (atRunTime) return atRunTime
  const { key } = await agent.call('encryptionKey', { create: !inputs['dry-run'] })
  if (key === null) return undefined
  log.mask(key)
  return key
}
