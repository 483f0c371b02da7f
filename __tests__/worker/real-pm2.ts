/** A real PM2 of the test's own, with a daemon that the test may kill. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { startTimeOf } from '../../src/common/process-identity.ts'
import { until } from '../support/until.ts'
import type { FakeRelease } from './fake-release.ts'

const modules = join(import.meta.dirname, '..', '..', 'node_modules')

export interface RealPm2 {
  readonly run: (...args: readonly string[]) => Promise<string>
  /** The pids of the workers that PM2 lists as online. */
  readonly online: () => Promise<readonly number[]>
  readonly daemon: () => number
  /** As the kernel does where memory is short. */
  readonly killDaemon: () => Promise<void>
}

/** @param name of the installed package: pm2 (7), pm2-6, pm2-5 */
export function realPm2(folder: string, node: string, name: string): RealPm2 {
  const home = join(folder, 'pm2')
  mkdirSync(home, { recursive: true })
  const env = { HOME: folder, PM2_HOME: home, PATH: `${dirname(node)}:/usr/bin:/bin` }
  const run = (...args: readonly string[]) =>
    new Promise<string>((resolve, reject) => {
      const all = [join(modules, name, 'bin/pm2'), ...args]
      execFile(node, all, { env, cwd: folder }, (error, out) => (error ? reject(error) : resolve(out)))
    })
  const daemon = () => Number(readFileSync(join(home, 'pm2.pid'), 'utf8'))
  return {
    run,
    daemon,
    async online() {
      const list = JSON.parse(await run('jlist', '-s')) as { pid: number; pm2_env: { status: string } }[]
      return list.flatMap(({ pid, pm2_env }) => (pm2_env.status === 'online' ? [pid] : []))
    },
    async killDaemon() {
      if (!existsSync(join(home, 'pm2.pid'))) return
      const pid = daemon()
      process.kill(pid, 'SIGKILL')
      await until('the daemon is gone', () => startTimeOf(pid) === null)
    },
  }
}

/** As the agent starts an app. */
export async function startApp(pm2: RealPm2, { directory }: FakeRelease, workers: number): Promise<void> {
  const launcher = join(directory, '.gapless/launcher.cjs')
  const options = ['--wait-ready', '--listen-timeout', '30000', '--kill-timeout', '30000', '--no-vizion']
  await pm2.run('start', launcher, '--name', 'app', '-i', String(workers), ...options)
}
