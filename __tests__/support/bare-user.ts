/** A server as a user without root meets it: sshd, a shell and the usual Unix tools, no Node.js and no PM2. Needs root. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stopProcessesIn } from '../../scripts/processes.mjs'
import { freePort } from './port.ts'
import { type Sshd, startSshd } from './sshd.ts'
import { startSystemd, type Systemd } from './systemd.ts'
import { mountTmpfs } from './test-mounts.ts'

const UID = 21_377
/** Wherever this machine has them. */
const PROGRAMS = ['node', 'npm', 'pm2'].flatMap((name) =>
  ['/usr/bin', '/usr/local/bin', '/opt/node/bin'].map((folder) => `${folder}/${name}`),
)

export interface BareUser {
  readonly home: string
  /** A folder beside the home: its `bin` is in everybody's PATH. */
  readonly system: string
  readonly sshd: Sshd
  readonly port: number
  /** Where it was asked for. */
  readonly systemd: Systemd | null
  /** Of the action. */
  readonly inputs: Readonly<Record<string, string>>
  /** A file of the user's that can be run. */
  write(path: string, text: string): void
  stop(): Promise<void>
}

export interface BareUserOptions {
  readonly shell?: string
  /** The options of a file system of the home's own, as `mount -o` takes them. */
  readonly disk?: string
  readonly withSystemd?: boolean
}

export async function startBareUser({
  shell = '/bin/bash',
  disk,
  withSystemd = false,
}: BareUserOptions = {}): Promise<BareUser> {
  const home = join(mkdtempSync(join(tmpdir(), 'gapless-bare-')), 'a home')
  const system = join(home, '../system')
  mkdirSync(home)
  const unmount = disk === undefined ? () => undefined : mountTmpfs(home, disk)
  writeFileSync(join(home, '.bashrc'), 'echo "Welcome!"\n')
  execFileSync('chmod', ['755', join(home, '..')])
  const own = () => execFileSync('chown', ['-R', `${UID}:${UID}`, home])
  own()
  const accounts = [{ name: 'deploy', shell, home, uid: UID }]
  const hidden = PROGRAMS.filter((file) => existsSync(file))
  const systemd = withSystemd ? await startSystemd(accounts, hidden) : null
  const sshd = await startSshd({
    env: { HOME: home, PATH: `${system}/bin:/usr/bin:/bin` },
    accounts,
    hidden,
    // Its PAM module is what makes a session, with the user's own systemd.
    ...(systemd === null ? {} : { inside: systemd.prefix, extraConfig: 'UsePAM yes' }),
  })
  const port = await freePort()
  return {
    home,
    system,
    sshd,
    port,
    systemd,
    inputs: {
      host: sshd.host,
      port: String(sshd.port),
      username: 'deploy',
      key: sshd.clientKey,
      'known-hosts': sshd.hostPublicKeyLine,
      'app-name': 'web',
      'app-port': String(port),
      observe: '1s',
    },
    write(path, text) {
      mkdirSync(join(home, path, '..'), { recursive: true })
      writeFileSync(join(home, path), text, { mode: 0o755 })
      own()
    },
    async stop() {
      await sshd.stop()
      await systemd?.stop()
      stopProcessesIn(home)
      unmount()
      rmSync(join(home, '..'), { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Each file below a folder with its mode, size and time. */
export function listingOf(folder: string): string {
  return execFileSync('find', [folder, '-printf', '%p %m %s %T@\n'], { encoding: 'utf8' })
}
