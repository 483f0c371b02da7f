/** connect: logs in, checks the host key, starts the agent, and looks whether the server can run the app. */
import { readFileSync } from 'node:fs'
import type { Plan } from '../plan.ts'
import type { HostAddress, Inputs } from '../inputs/index.ts'
import type { Log, Pipeline } from '../pipeline.ts'
import { Failure } from '../common/failure.ts'
import type { Result, ServerFacts } from '../protocol/messages.ts'
import { pm2Missing } from '../protocol/server-programs.ts'
import { type AgentSession, openAgent } from '../agent-client/agent-session.ts'
import { traceLine } from '../agent-client/trace.ts'
import { connect as connectSsh, type ConnectOptions } from '../ssh/connection.ts'
import { assertDistinct, type Host, onEach } from './host.ts'
import { inTime } from './in-time.ts'
import { patiently } from './reconnect.ts'

interface Session {
  readonly agent: AgentSession
  readonly facts: ServerFacts
  readonly base: Promise<Result<'outline'>>
  readonly address: string
  close(): void
}

export interface ConnectSettings {
  /** The bundled agent. */
  readonly agentFile: string
  /** Keep the agent on the server; false for runs that may change nothing there. */
  readonly persist: boolean
  /** Ask what an upload can build on. */
  readonly forUpload?: boolean
  /** How long a server may be out of reach before it is given up, in ms: one try unless told otherwise. */
  readonly patienceMs?: number
}

const NO_BASE = { base: null, folders: '' }

/**
 * Connects to every host, or to none.
 * @throws the failures of ssh/, `node-missing`, `pm2-missing`, and those of the agent's `inspect`
 */
export async function connect(
  plan: Plan,
  settings: ConnectSettings,
  pipeline: Pipeline,
): Promise<readonly Host[]> {
  const opened: Host[] = []
  const addresses = plan.hosts.map((address) => ({
    address,
    name: plan.hosts.length > 1 ? nameOf(address) : null,
  }))
  try {
    const hosts = await onEach(
      addresses,
      plan.inputs.maxParallel,
      pipeline,
      async ({ name, address }, log) => {
        const open = () => openSession(plan, address, settings, log.log)
        const session = await log.run('connect', async () => {
          const value = await patiently(
            () => onceMore(open, log.log.info),
            log.log.info,
            settings.patienceMs ?? 0,
          )
          return { value, detail: describe(value) }
        })
        const host = hostOf(name, session, open)
        opened.push(host)
        return host
      },
    )
    assertDistinct(hosts)
    return hosts
  } catch (error) {
    for (const host of opened) host.close()
    throw error
  }
}

function hostOf(name: string | null, first: Session, open: () => Promise<Session>): Host {
  let session = first
  return {
    name,
    facts: first.facts,
    agent: () => session.agent,
    base: () => session.base,
    async reconnect() {
      const next = await open()
      session.close()
      session = next
    },
    close: () => session.close(),
  }
}

/** What was cut off while it looked around has begun nothing. */
function onceMore<T>(open: () => Promise<T>, log: Log['info']): Promise<T> {
  return open().catch((error: unknown) => {
    const { code, message } = Failure.from(error)
    if (code !== 'connection-lost') throw error
    log(`${message}: once more`)
    return open()
  })
}

async function openSession(
  plan: Plan,
  address: HostAddress,
  settings: ConnectSettings,
  log: Pick<Log, 'info' | 'debug'>,
): Promise<Session> {
  const { inputs, appName, path } = plan
  const connection = await connectSsh({ ...sshOptions(inputs, address), onLog: log.info })
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
      (message) => log.debug(() => traceLine(message)),
    )
    const inspected = agent.call('inspect', {})
    const base = settings.forUpload === true ? agent.call('outline', {}) : Promise.resolve(NO_BASE)
    // Of interest only to who uploads.
    base.catch(() => undefined)
    // A look around takes a moment. What takes longer, such as a lock that is waited for, comes later.
    const facts = await inTime(inspected, inputs.connectTimeoutMs, () => silent(connection.address))
    assertUsable(facts)
    return {
      agent,
      facts,
      base,
      address: connection.address,
      close() {
        agent.close()
        connection.close()
      },
    }
  } catch (error) {
    connection.close()
    throw error
  }
}

function silent(address: string): Failure {
  return new Failure(
    'connection-timeout',
    `The agent on ${address} did not answer in time (connect-timeout).`,
    {
      remedy:
        'Check whether the server is overloaded, or its disk hangs; a slow one needs a longer connect-timeout.',
    },
  )
}

function assertUsable({ platform, pm2, searched, nodePath }: ServerFacts): void {
  if (platform !== 'linux') {
    throw new Failure('server-not-linux', `the server runs ${platform}; only Linux is supported`)
  }
  if (pm2 === null) throw pm2Missing(searched, nodePath)
}

function nameOf({ host, port }: HostAddress): string {
  return port === 22 ? host : `${host}:${port}`
}

function describe({ address, facts: { node, pm2, live, serving, path } }: Session): string {
  const meant = live === null ? 'no release is live yet' : `${live} is current, but does not serve`
  return `${address}, Node ${node}, PM2 ${pm2?.version}, ${path}: ${serving === null ? meant : `${serving} is live`}`
}

function sshOptions(inputs: Inputs, address: HostAddress): ConnectOptions {
  const { login, hostIdentity, proxy, connectTimeoutMs } = inputs
  return {
    ...address,
    login,
    hostKey: hostIdentity,
    connectTimeoutMs,
    proxy: proxy && {
      host: proxy.host,
      port: proxy.port,
      username: proxy.username,
      login: proxy.login,
      hostKey: proxy.fingerprints.length > 0 ? { fingerprints: proxy.fingerprints } : hostIdentity,
    },
  }
}
