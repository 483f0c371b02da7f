/** What people use today to bring a build to a server, each over the same sshd and the same wire. */
import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestServer } from '../../__tests__/support/server.ts'

export interface Peer {
  readonly name: string
  /** @param tree what is to stand on the server @param target where @param previous the release before, if any */
  send(tree: string, target: string, previous: string | undefined): Promise<void>
}

export interface Login {
  /** The options of `ssh`; scp and sftp take them too, but for the port. */
  readonly options: readonly string[]
  readonly port: number
  readonly destination: string
  readonly folder: string
}

/** @param port the wire's */
export function loginFor({ sshd }: TestServer, port: number, folder: string): Login {
  const [key, hosts] = [join(folder, 'key'), join(folder, 'known_hosts')]
  writeFileSync(key, sshd.clientKey, { mode: 0o600 })
  writeFileSync(hosts, sshd.hostPublicKeyLine.replace(`:${sshd.port} `, `:${port} `) + '\n')
  const settings = [`UserKnownHostsFile=${hosts}`, 'IdentitiesOnly=yes', 'BatchMode=yes', 'LogLevel=ERROR']
  const options = ['-F', 'none', '-i', key, ...settings.flatMap((setting) => ['-o', setting])]
  return { options, port, destination: `${sshd.username}@127.0.0.1`, folder }
}

export function peersWith(login: Login) {
  const { options, port, destination, folder } = login
  const shell = ['ssh', ...options, '-p', String(port)].join(' ')
  const ssh = (command: string) => run('ssh', [...options, '-p', String(port), destination, command])
  const rsync = (flags: readonly string[], tree: string, target: string) =>
    run('rsync', [...flags, '--delete', '-e', shell, `${tree}/`, `${destination}:${target}/`])

  const scp = (file: string, there: string) =>
    run('scp', [...options, '-P', String(port), file, `${destination}:${there}`])
  const withTarball = async (
    tree: string,
    target: string,
    send: (file: string, there: string) => Promise<void>,
  ) => {
    const file = join(folder, 'release.tar.gz')
    await run('tar', ['-czf', file, '-C', tree, '.'])
    await send(file, `${target}.tar.gz`)
    rmSync(file)
  }

  return {
    rsync: { name: '`rsync -az`', send: (tree, target) => rsync(['-az'], tree, target) },
    rsyncChecksum: { name: '`rsync -azc`', send: (tree, target) => rsync(['-azc'], tree, target) },
    rsyncLinkDest: {
      name: '`rsync -azc --link-dest`',
      send: (tree, target, previous) => rsync(['-azc', `--link-dest=${previous}`], tree, target),
    },
    tarball: {
      name: '`tar` + `gzip` + `scp` + untar',
      send: (tree, target) =>
        withTarball(tree, target, async (file, there) => {
          await scp(file, there)
          await ssh(`mkdir -p '${target}' && tar -xzf '${there}' -C '${target}' && rm '${there}'`)
        }),
    },
    // One login for each step, the first of them to see which system it is (appleboy/drone-scp, plugin.go, June 2026).
    tarballAction: {
      name: 'the same in the five logins of the popular action',
      send: (tree, target) =>
        withTarball(tree, target, async (file, there) => {
          await ssh('ver').catch(() => undefined)
          await scp(file, there)
          await ssh(`mkdir -p '${target}'`)
          await ssh(`tar -zxf '${there}' -C '${target}'`)
          await ssh(`rm -rf '${there}'`)
        }),
    },
    sftp: {
      name: '`sftp` `put -r`',
      async send(tree, target) {
        const batch = join(folder, 'batch')
        writeFileSync(batch, `-mkdir ${target}\nput -pR ${tree}/. ${target}/\n`)
        mkdirSync(target, { recursive: true })
        await run('sftp', [...options, '-P', String(port), '-b', batch, destination])
      },
    },
  } satisfies Record<string, Peer>
}

function run(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 64 * 1024 * 1024 }, (error, _, errors) =>
      error ? reject(new Error(`${program}: ${error.message}\n${errors}`)) : resolve(),
    )
  })
}
