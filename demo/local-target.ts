/** A server on this machine: an SSH server, a home and a PM2 of its own, in a folder that is removed. */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../__tests__/support/port.ts'
import { isRunning, stopProcessesIn } from '../scripts/processes.mjs'
import { startSshServer } from './ssh-server.ts'
import { appName, type Target } from './target.ts'

const pm2Program = join(import.meta.dirname, '..', 'node_modules', 'pm2', 'bin', 'pm2')

/** @param home of the server's user; made here */
export async function startLocalTarget(home: string): Promise<Target> {
  const bin = join(home, 'bin')
  mkdirSync(bin, { recursive: true })
  symlinkSync(process.execPath, join(bin, 'node'))
  symlinkSync(pm2Program, join(bin, 'pm2'))
  const { username } = userInfo()
  const pm2Home = join(home, '.pm2')
  const env = {
    HOME: home,
    USER: username,
    LOGNAME: username,
    SHELL: '/bin/sh',
    PATH: `${bin}:/usr/bin:/bin`,
    PM2_HOME: pm2Home,
  }
  const ssh = await startSshServer({ username, env, home })
  const appPort = await freePort()
  return {
    description: `an SSH server of the demo's own on 127.0.0.1:${ssh.port}, with PM2 in ${home}`,
    url: `http://127.0.0.1:${appPort}`,
    inputs: {
      host: '127.0.0.1',
      port: String(ssh.port),
      username,
      key: ssh.clientKey,
      'known-hosts': ssh.knownHosts,
      'app-name': appName,
      'app-port': String(appPort),
    },
    env: {},
    async remove() {
      await ssh.close()
      await stopEverything(home, pm2Home, env)
      rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Again until nobody is left: an activation that was cut short may start PM2 once more before it is stopped. */
async function stopEverything(home: string, pm2Home: string, env: NodeJS.ProcessEnv): Promise<void> {
  for (;;) {
    const running = daemonRuns(pm2Home)
    if (running) await promisify(execFile)(process.execPath, [pm2Program, 'kill'], { cwd: home, env })
    if (stopProcessesIn(home) === 0 && !running) return
  }
}

function daemonRuns(pm2Home: string): boolean {
  try {
    return isRunning(Number.parseInt(readFileSync(join(pm2Home, 'pm2.pid'), 'utf8'), 10))
  } catch {
    return false
  }
}
