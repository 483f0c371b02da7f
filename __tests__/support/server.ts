/** A server as users have it: a real sshd, a real PM2 of its own, a home of its own. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processIds, stopProcessesIn } from '../../scripts/processes.mjs'
import type { Namespace } from './namespace.ts'
import { ownUser } from './own-user.ts'
import { freePort } from './port.ts'
import { type Sshd, startSshd } from './sshd.ts'
import { mountTmpfs } from './test-mounts.ts'

/** What every SSH session has in its environment, and nothing else may get. */
const LEAK = 'SECRET_OF_THE_SESSION=leaked'

const root = join(import.meta.dirname, '..', '..')

export interface TestServer {
  readonly sshd: Sshd
  readonly home: string
  /** A port of 127.0.0.1 that was free a moment ago. */
  readonly appPort: number
  readonly url: string
  /** The app's folder. */
  readonly app: string
  /** The inputs that every run against this server needs. */
  readonly inputs: Readonly<Record<string, string>>
  /** PM2's own list of the app's processes. */
  pm2List(): Promise<readonly Pm2Entry[]>
  pm2(...args: readonly string[]): Promise<string>
  /** The same with more environment, which PM2 hands to the app. */
  pm2With(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<string>
  /** The release that `current` points at. */
  current(): string | null
  /** The pids of the agent's sessions: what else it starts has nothing of the SSH session's environment. */
  agentSessions(): readonly number[]
  stop(): Promise<void>
}

export interface Pm2Entry {
  readonly name: string
  readonly pid: number
  readonly pm_id: number
  readonly pm2_env: Readonly<Record<string, unknown>> & {
    readonly status: string
    readonly restart_time: number
  }
}

export interface TestServerOptions {
  /** Which of the installed PM2 packages: pm2 (7), pm2-6, pm2-5. */
  readonly pm2Package?: string
  /** The server's Node.js, by its path: that of the tests unless said otherwise. */
  readonly node?: string
  /** Leave PM2 away. */
  readonly withoutPm2?: boolean
  /** Leave Node away, wherever this machine has one. Needs root. */
  readonly withoutNode?: boolean
  /** Files that the sessions find with other text. Needs root. */
  readonly replaced?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** A file system of its own for the home, with these options of tmpfs. Needs root. */
  readonly disk?: string | undefined
  /** A host of its own instead of this one: the app listens on all its addresses then, on port 3000. */
  readonly network?: Namespace
  /** See sshd.ts. */
  readonly authorized?: readonly string[]
  /** A Unix user of the server's own, by this number, instead of the one who runs the test. Needs root. */
  readonly uid?: number | undefined
}

export async function startServer({
  pm2Package = 'pm2',
  node = process.execPath,
  withoutPm2 = false,
  withoutNode = false,
  replaced = {},
  env = {},
  disk,
  network,
  authorized = [],
  uid,
}: TestServerOptions = {}): Promise<TestServer> {
  const home = mkdtempSync(join(tmpdir(), 'gapless-home-'))
  const unmount = disk === undefined ? () => undefined : mountTmpfs(home, disk)
  const bin = join(home, 'bin')
  mkdirSync(bin)
  const packages = join(root, 'node_modules')
  const user = uid === undefined ? undefined : ownUser(uid, home, packages)
  const pm2Command = join(user?.modules ?? packages, pm2Package, 'bin', 'pm2')
  if (!withoutNode && user === undefined) symlinkSync(node, join(bin, 'node'))
  if (!withoutPm2) symlinkSync(pm2Command, join(bin, 'pm2'))
  user?.takeHome()
  const pm2Home = join(home, '.pm2')
  const session = { HOME: home, PATH: `${bin}:/usr/bin:/bin`, PM2_HOME: pm2Home, ...env }
  const nodes = ['/usr/bin/node', '/usr/local/bin/node', '/opt/node/bin/node'].filter((file) =>
    existsSync(file),
  )
  const sshd = await startSshd({
    env: { ...session, ...Object.fromEntries([LEAK.split('=')]) },
    hidden: withoutNode ? nodes : [],
    replaced,
    accounts: user === undefined ? [] : [user.account],
    mounts: user?.mounts ?? [],
    network,
    authorized,
  })
  const prefix = user?.prefix(sshd.pid) ?? network?.prefix ?? []
  const appPort = network === undefined ? await freePort() : 3000
  const app = join(home, 'apps', 'next-app')

  const pm2With = (more: Readonly<Record<string, string>>, ...args: readonly string[]) =>
    new Promise<string>((resolve, reject) => {
      const options = { env: { ...session, ...more }, cwd: home }
      const [program = '', ...all] = [...prefix, user?.node ?? node, pm2Command, ...args]
      execFile(program, all, options, (error, out) => (error ? reject(error) : resolve(out)))
    })
  const pm2 = (...args: readonly string[]) => pm2With({}, ...args)

  return {
    sshd,
    home,
    appPort,
    url: `http://${sshd.host}:${appPort}`,
    app,
    inputs: {
      host: sshd.host,
      port: String(sshd.port),
      username: user?.account.name ?? sshd.username,
      key: sshd.clientKey,
      'known-hosts': sshd.hostPublicKeyLine,
      'app-port': String(appPort),
      ...(network === undefined ? {} : { 'app-host': '0.0.0.0' }),
      'health-check-path': '/api/health',
      'health-check-timeout': '30s',
      observe: '200ms',
      'drain-timeout': '10s',
    },
    pm2,
    pm2With,
    async pm2List() {
      if (!existsSync(join(pm2Home, 'pm2.pid'))) return []
      const list = JSON.parse(await pm2('jlist', '-s')) as readonly Pm2Entry[]
      return list.filter(({ name }) => name === 'next-app')
    },
    current() {
      const link = join(app, 'current')
      return existsSync(link) ? (readlinkSync(link).split('/').at(-1) ?? null) : null
    },
    agentSessions: () =>
      processIds().filter((pid) => {
        const environment = environmentOf(pid)
        return environment.includes(LEAK) && environment.includes(`PM2_HOME=${pm2Home}`)
      }),
    async stop() {
      sshd.dropConnections()
      if (existsSync(join(pm2Home, 'pm2.pid'))) await pm2('kill').catch(() => undefined)
      await sshd.stop()
      // What outlived PM2.
      stopProcessesIn(home)
      unmount()
      rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    return []
  }
}
