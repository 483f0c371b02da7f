/**
 * Many hosts in one process, apart from the runner whose cost is measured: embedded SSH servers, each with a home of
 * its own, in which the real agent works. Started by bench/hosts.ts; ends when that disconnects.
 *
 *   node servers.ts COUNT FOLDER
 */
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { makeKeys, startSshServer } from '../../demo/ssh-server.ts'

export interface Servers {
  readonly clientKey: string
  readonly hosts: readonly { readonly port: number; readonly knownHosts: string; readonly home: string }[]
}

const [, , count = '1', folder = ''] = process.argv
const root = join(import.meta.dirname, '..', '..')
const clientKeys = makeKeys()

const hosts = await Promise.all(
  Array.from({ length: Number(count) }, async (_, index) => {
    const home = join(folder, `host-${index}`)
    const bin = join(home, 'bin')
    mkdirSync(bin, { recursive: true })
    symlinkSync(process.execPath, join(bin, 'node'))
    symlinkSync(join(root, 'node_modules', 'pm2', 'bin', 'pm2'), join(bin, 'pm2'))
    const env = { HOME: home, PATH: `${bin}:/usr/bin:/bin`, PM2_HOME: join(home, '.pm2') }
    const { port, knownHosts } = await startSshServer({ username: 'deploy', env, home, clientKeys })
    return { port, knownHosts, home }
  }),
)
process.on('disconnect', () => process.exit(0))
process.send!({ clientKey: clientKeys.private, hosts } satisfies Servers)
