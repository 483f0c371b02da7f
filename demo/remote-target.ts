/** A real server. The app listens on its loopback interface; its visitors come through a tunnel. */
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerFacts } from '../src/protocol/messages.ts'
import { type AgentSession, openAgent } from '../src/agent-client/agent-session.ts'
import { connect } from '../src/ssh/connection.ts'
import type { Session } from '../src/ssh/session.ts'
import { say } from './console.ts'
import type { ServerOptions } from './options.ts'
import { appName, type Target } from './target.ts'

const agentFile = join(import.meta.dirname, '..', 'dist', 'agent.cjs')
const TIMEOUT = 30_000
/** How long an activation that was cut off may take to end by itself, in ms. */
const LONGEST_ACTIVATION = 180_000

/** @throws when the server has anything already where the demo would put its own */
export async function openRemoteTarget(options: ServerOptions): Promise<Target> {
  const { host, port, username, key, agentSocket, knownHosts, path, appPort } = options
  const session = await logIn(options)
  await withAgent(session, path, (agent, facts) => assertFree(session, agent, facts, appPort))
  const tunnel = await openTunnel(session, appPort)
  return {
    description: `${session.address}; its port ${appPort} is reached through a tunnel`,
    url: `http://127.0.0.1:${(tunnel.address() as AddressInfo).port}`,
    inputs: {
      host,
      port: String(port),
      username,
      ...(key === undefined ? {} : { key }),
      'known-hosts': knownHosts,
      path,
      'app-name': appName,
      'app-port': String(appPort),
    },
    env: agentSocket === undefined ? {} : { SSH_AUTH_SOCK: agentSocket },
    async remove() {
      tunnel.close()
      session.close()
      // A new connection: the story may have ended because this one was lost.
      const again = await logIn(options)
      await withAgent(again, path, (agent, facts) => removeApp(again, agent, facts))
      again.close()
    },
  }
}

async function logIn(options: ServerOptions): Promise<Session> {
  const { host, port, username, key, agentSocket, knownHosts } = options
  const connection = await connect({
    host,
    port,
    username,
    login: { key: key ?? null, agentSocket: agentSocket ?? null },
    hostKey: { knownHosts, fingerprints: [] },
    connectTimeoutMs: TIMEOUT,
  })
  return connection as Session
}

async function withAgent(
  session: Session,
  path: string,
  use: (agent: AgentSession, facts: ServerFacts) => Promise<void>,
): Promise<void> {
  const options = { appName, binPath: [] }
  const source = readFileSync(agentFile)
  const agent = await openAgent(session, { source, persist: false, path, options }, TIMEOUT)
  try {
    await use(agent, await agent.call('inspect', {}))
  } finally {
    agent.close()
  }
}

async function assertFree(
  session: Session,
  agent: AgentSession,
  facts: ServerFacts,
  appPort: number,
): Promise<void> {
  if (facts.pm2 === null) throw new Error('PM2 was not found on the server: npm install -g pm2')
  const { workers } = await agent.call('status', {})
  if (workers.length > 0) throw new Error(`PM2 on the server already runs an app named ${appName}`)
  if ((await run(session, `test -e ${quote(facts.path)}`)) === 0)
    throw new Error(`${facts.path} is already there on the server; name another with --path`)
  const taken = await session.forward('127.0.0.1', appPort, `port ${appPort}`).catch(() => undefined)
  taken?.destroy()
  if (taken) throw new Error(`port ${appPort} of the server is in use; name another with --app-port`)
}

async function openTunnel(session: Session, appPort: number): Promise<Server> {
  const tunnel = createServer({ noDelay: true, allowHalfOpen: true }, (visitor) => {
    session.forward('127.0.0.1', appPort, `port ${appPort}`).then(
      (app) => {
        visitor.on('error', () => app.destroy())
        app.on('error', () => visitor.destroy())
        app.on('close', () => visitor.destroySoon())
        visitor.pipe(app).pipe(visitor)
      },
      () => visitor.resetAndDestroy(),
    )
  })
  tunnel.listen(0, '127.0.0.1')
  await once(tunnel, 'listening')
  return tunnel
}

async function removeApp(session: Session, agent: AgentSession, { pm2, path }: ServerFacts): Promise<void> {
  const deadline = performance.now() + LONGEST_ACTIVATION
  let { lock, workers } = await agent.call('status', {})
  while (lock !== null) {
    if (performance.now() > deadline) throw new Error(`a deploy is still running on the server: ${lock}`)
    await delay(500)
    ;({ lock, workers } = await agent.call('status', {}))
  }
  if (pm2 !== null && workers.length > 0) {
    say(`Removing the PM2 app ${appName} from ${session.address}, and saving PM2's list without it.`)
    const node = `"$(readlink "/proc/$(cat ${quote(`${pm2.home}/pm2.pid`)})/exe")"`
    const program = `${node} ${quote(`${pm2.path}/bin/pm2`)}`
    const script = `export PM2_HOME=${quote(pm2.home)}; ${program} delete ${appName} && ${program} save --force`
    if ((await run(session, script)) !== 0) throw new Error(`PM2 could not remove ${appName}`)
  }
  say(`Removing the folder ${path} from ${session.address}.`)
  if ((await run(session, `rm -rf -- ${quote(path)}`)) !== 0) throw new Error(`${path} could not be removed`)
}

/** @returns the exit code */
async function run(session: Session, script: string): Promise<number | null> {
  const channel = await session.exec(`/bin/sh -c '${script}'`)
  channel.end()
  const [{ code }] = await Promise.all([channel.exit, text(channel), text(channel.stderr)])
  return code
}

/** A path as a word of a script that itself stands in single quotes: only plain names are worth the risk. */
function quote(path: string): string {
  if (!/^\/[\w./@+-]+$/.test(path))
    throw new Error(`the path ${path} on the server is too unusual for the demo`)
  return `"${path}"`
}
