/** connect: logs in, checks the host key, starts the agent, and checks whether the server can run the app. */
import { readFileSync } from 'node:fs'
import type { Plan } from '../plan.ts'
import type { Log, Pipeline } from '../pipeline.ts'
import { failure } from '../common/errors/connect.ts'
import { Failure } from '../common/failure.ts'
import type { Result, ServerFacts } from '../protocol/messages.ts'
import { pm2Missing } from '../protocol/server-programs.ts'
import { type AgentSession, openAgent } from '../agent-client/agent-session.ts'
import { traceLine } from '../agent-client/trace.ts'
import { connect as connectSsh, type Target } from '../ssh/connection.ts'
import { assertDistinct, type Host, onEach } from './host.ts'
import { withTimeout } from '../common/timeout.ts'
import { untilReachable } from './reconnect.ts'

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
  /** Keep the agent on the server; false for runs that must not change anything there. */
  readonly persist: boolean
  /** Also request what an upload can build on. */
  readonly forUpload?: boolean
  /** How long to retry while a server is out of reach, in ms. Default: one try. */
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
  const { targets } = plan.inputs
  const hosts = targets.map((target) => ({ target, name: targets.length > 1 ? nameOf(target) : null }))
  try {
    const connected = await onEach(hosts, plan.inputs['max-parallel'], pipeline, async (entry, log) => {
      const { info } = log.log
      const open = () => openSession(plan, entry.target, settings, log.log)
      const session = await log.run('connect', async () => {
        const value = await untilReachable(() => retryOnce(open, info), info, settings.patienceMs ?? 0)
        return { value, detail: detailOf(value) }
      })
      const host = hostOf(entry.name, session, open)
      opened.push(host)
      if (host.facts.nodeStays !== '') log.log.warning(host.facts.nodeStays)
      return host
    })
    assertDistinct(connected)
    return connected
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

/** Safe to retry: nothing has been started yet. */
function retryOnce<T>(open: () => Promise<T>, log: Log['info']): Promise<T> {
  return open().catch((error: unknown) => {
    const { code, message } = Failure.from(error)
    if (code !== 'connection-lost') throw error
    log(`${message} Retrying.`)
    return open()
  })
}

async function openSession(
  plan: Plan,
  target: Target,
  settings: ConnectSettings,
  log: Pick<Log, 'info' | 'debug'>,
): Promise<Session> {
  const { inputs, appName, path } = plan
  const { proxy, 'connect-timeout': connectTimeoutMs } = inputs
  const connection = await connectSsh({ ...target, proxy, connectTimeoutMs, onLog: log.info })
  try {
    const agent = await openAgent(
      connection,
      {
        source: readFileSync(settings.agentFile),
        persist: settings.persist,
        path,
        options: { appName, binPath: inputs['bin-path'], preview: inputs.preview !== null },
      },
      connectTimeoutMs,
      (message) => log.debug(() => traceLine(message)),
    )
    const inspected = agent.call('inspect', {})
    const base = settings.forUpload === true ? agent.call('outline', {}) : Promise.resolve(NO_BASE)
    // Only an upload needs it, and reports its failure.
    base.catch(() => undefined)
    // Inspecting takes a moment. What may take longer, such as waiting for a lock, comes later.
    const facts = await withTimeout(inspected, connectTimeoutMs, () => silent(connection.address))
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
  return failure('connection-timeout: agent', { address })
}

function assertUsable({ platform, pm2, searched, nodePath }: ServerFacts): void {
  if (platform !== 'linux') {
    throw failure('server-not-linux', { platform })
  }
  if (pm2 === null) throw pm2Missing(searched, nodePath)
}

export function nameOf({ host, port }: Target): string {
  return port === 22 ? host : `${host}:${port}`
}

function detailOf({ address, facts: { node, pm2, live, serving, path } }: Session): string {
  const idle = live === null ? 'no release is live yet' : `${live} is current, but does not serve`
  const state = serving === null ? idle : `${serving} is live`
  return `${address}, Node ${node}, PM2 ${pm2?.version}, ${path}: ${state}`
}
