/** The same release served in three ways: by Gapless, by plain PM2 in cluster mode, and by `node server.js`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../__tests__/support/port.ts'
import { runAction } from '../../__tests__/support/runner.ts'
import { startServer, type TestServer } from '../../__tests__/support/server.ts'
import { answering } from './load.ts'

export const ways = ['Gapless', 'PM2', 'node'] as const
export type Way = (typeof ways)[number]

export interface Serving {
  readonly port: number
  /** The processes that answer. */
  readonly pids: readonly number[]
}

export interface Servers {
  readonly serving: Readonly<Record<Way, Serving>>
  stop(): Promise<void>
}

export interface Setup {
  /** A workspace with a finished build. */
  readonly workspace: string
  readonly workers: number
  /** Which comes up first: a process that was started later can be faster for minutes. */
  readonly order: readonly Way[]
  /** Of Node.js, for the workers of Gapless and PM2. */
  readonly flags: string
}

export async function startServers({ workspace, workers, order, flags }: Setup): Promise<Servers> {
  const server = await startServer()
  const release = join(server.home, 'plain')
  cpSync(join(workspace, '.next/standalone'), release, { recursive: true, verbatimSymlinks: true })
  for (const folder of ['.next/static', 'public'])
    cpSync(join(workspace, folder), join(release, folder), { recursive: true, verbatimSymlinks: true })

  const stops: (() => Promise<void>)[] = []
  const start: Record<Way, () => Promise<Serving>> = {
    async Gapless() {
      const inputs = {
        ...server.inputs,
        'install-command': 'none',
        'build-command': 'none',
        observe: '0s',
        'candidate-check': 'false',
        instances: String(workers),
        'node-options': flags,
      }
      const { code, log } = await runAction({ workspace, inputs })
      if (code !== 0) throw new Error(log)
      return { port: server.appPort, pids: await pidsOf(server, 'next-app') }
    },
    async PM2() {
      const port = await freePort()
      const args = [join(release, 'server.js'), '--name', 'plain', '-i', String(workers)]
      await server.pm2With(
        { PORT: String(port), HOSTNAME: '127.0.0.1', NODE_ENV: 'production' },
        'start',
        ...args,
        ...(flags === '' ? [] : [`--node-args=${flags}`]),
      )
      await answering(port)
      return { port, pids: await pidsOf(server, 'plain') }
    },
    async node() {
      const port = await freePort()
      const env = { PATH: process.env['PATH'], PORT: String(port), HOSTNAME: '127.0.0.1' }
      const child = spawn(process.execPath, [join(release, 'server.js')], { env, stdio: 'ignore' })
      stops.push(async () => {
        const left = once(child, 'exit')
        child.kill('SIGKILL')
        await left
      })
      await answering(port)
      return { port, pids: [child.pid!] }
    },
  }
  const stop = async () => {
    for (const each of stops) await each()
    await server.stop()
  }
  try {
    const serving: Partial<Record<Way, Serving>> = {}
    for (const way of order) serving[way] = await start[way]()
    return { serving: serving as Record<Way, Serving>, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function pidsOf(server: TestServer, name: string): Promise<readonly number[]> {
  const list = JSON.parse(await server.pm2('jlist', '-s')) as readonly { name: string; pid: number }[]
  return list.filter((each) => each.name === name).map(({ pid }) => pid)
}

/** What they have in memory, in bytes. */
export function memoryOf({ pids }: Serving): number {
  const resident = (pid: number) => /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return pids.reduce((sum, pid) => sum + Number(resident(pid) ?? 0) * 1024, 0)
}

/** The processor time that they have taken, in µs, to 10 ms. */
export function processorTimeOf({ pids }: Serving): number {
  const ticks = (pid: number) => {
    const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
    const [user, system] = fields.split(' ').slice(11, 13).map(Number)
    return user! + system!
  }
  return pids.reduce((sum, pid) => sum + ticks(pid) * 10_000, 0)
}
