/** A server before its agent: logged in, its host key checked, and what a plain shell can tell. */
import { readFileSync } from 'node:fs'
import type { Plan } from '../plan.ts'
import type { Pipeline } from '../pipeline.ts'
import { type AgentSession, openAgent } from '../agent-client/agent-session.ts'
import { runScript, type ScriptOptions, type ScriptResult } from '../agent-client/script.ts'
import { type Probe, probe } from './probe.ts'
import { connect } from '../ssh/connection.ts'
import { onEach } from './host.ts'
import { nameOf } from './connect.ts'

export interface BareHost {
  /** Null where it is the only host. */
  readonly name: string | null
  look(): Promise<Probe>
  /** Runs a script of a POSIX shell. */
  run(script: string, options: ScriptOptions): Promise<ScriptResult>
  /** Starts the agent from memory: it changes nothing. */
  agent(agentFile: string): Promise<AgentSession>
}

/** Calls `act` for every host, and closes the connections. @throws the failures of ssh/ and of the probe */
export async function onBareHosts<T>(
  { inputs, path, appName }: Plan,
  pipeline: Pipeline,
  act: (host: BareHost, pipeline: Pipeline) => Promise<T>,
): Promise<readonly T[]> {
  const { targets, proxy, runtime, 'bin-path': binPath, 'connect-timeout': connectTimeoutMs } = inputs
  const hosts = targets.map((target) => ({ target, name: targets.length > 1 ? nameOf(target) : null }))
  return onEach(hosts, inputs['max-parallel'], pipeline, async ({ target, name }, log) => {
    const connection = await log.run('connect', async () => {
      const value = await connect({ ...target, proxy, connectTimeoutMs, onLog: log.log.info })
      return { value, detail: `${value.address}: the host key and the login are right` }
    })
    try {
      const options = { binPath, path, port: runtime.port }
      const bare: BareHost = {
        name,
        look: () => probe(connection, options, LOOK),
        run: (script, how) => runScript(connection, script, how),
        agent: (agentFile) => {
          const source = readFileSync(agentFile)
          const agent = { source, persist: false, path, options: { appName, binPath } }
          return openAgent(connection, agent, connectTimeoutMs)
        },
      }
      return await act(bare, log)
    } finally {
      connection.close()
    }
  })
}

/** In ms: a Node on a slow disk, a login shell that never ends. */
const LOOK = 60_000
