/** connect: logs in, checks the host key, starts the agent, and looks whether the server can run the app. */
import { readFileSync } from 'node:fs'
import type { Plan } from '../plan.ts'
import type { Done } from '../pipeline.ts'
import { Failure } from '../protocol/failure.ts'
import type { ServerFacts } from '../protocol/messages.ts'
import { type AgentSession, openAgent } from '../remote/agent-session.ts'
import { connect as connectSsh, type ConnectOptions } from '../ssh/connection.ts'

export interface Server {
  readonly agent: AgentSession
  readonly facts: ServerFacts
  readonly address: string
  close(): void
}

export interface ConnectSettings {
  /** The bundled agent. */
  readonly agentFile: string
  /** Keep the agent on the server; false for runs that may change nothing there. */
  readonly persist: boolean
}

/** @throws the failures of ssh/, `node-missing`, `pm2-missing`, and those of the agent's `inspect` */
export async function connect(plan: Plan, settings: ConnectSettings): Promise<Done<Server>> {
  const { inputs, appName, path } = plan
  const connection = await connectSsh(sshOptions(plan))
  try {
    const agent = await openAgent(
      connection,
      {
        source: readFileSync(settings.agentFile),
        persist: settings.persist,
        path,
        options: { appName, binPath: inputs.binPath },
      },
      inputs.connectTimeoutMs,
    )
    const facts = await agent.call('inspect', {})
    assertUsable(facts)
    const server = {
      agent,
      facts,
      address: connection.address,
      close() {
        agent.close()
        connection.close()
      },
    }
    return { value: server, detail: describe(connection.address, facts) }
  } catch (error) {
    connection.close()
    throw error
  }
}

function assertUsable({ platform, pm2, searched }: ServerFacts): void {
  if (platform !== 'linux') {
    throw new Failure('server-not-linux', `the server runs ${platform}; only Linux is supported`)
  }
  if (pm2 === null) {
    throw new Failure('pm2-missing', 'PM2 was not found on the server', {
      remedy:
        'As the user that logs in: npm install -g pm2. If it is there already, name its folder in `bin-path`.',
      evidence: `searched:\n${searched.join('\n')}`,
    })
  }
}

function describe(address: string, { node, pm2, live, path }: ServerFacts): string {
  const serving = live === null ? 'nothing is live yet' : `${live} is live`
  return `${address}, Node ${node}, PM2 ${pm2?.version}, ${path}: ${serving}`
}

function sshOptions({ inputs, host }: Plan): ConnectOptions {
  const { login, hostIdentity, proxy, connectTimeoutMs } = inputs
  return {
    ...host,
    login,
    hostKey: hostIdentity,
    connectTimeoutMs,
    proxy: proxy && {
      host: proxy.host,
      port: proxy.port,
      username: proxy.username,
      login: proxy.key === undefined ? login : { key: proxy.key, passphrase: proxy.passphrase },
      hostKey: proxy.fingerprints.length > 0 ? { fingerprints: proxy.fingerprints } : hostIdentity,
    },
  }
}
