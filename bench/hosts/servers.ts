/**
 * Many hosts in one process, apart from the runner whose cost is measured, behind one uplink of the runner: embedded
 * SSH servers, or real ones in network namespaces, each with a home of its own, in which the real agent works.
 * Started by bench/hosts.ts; ends when that disconnects.
 *
 *   node servers.ts embedded|real COUNT FOLDER BITS_PER_SECOND ROUND_TRIP_MS
 */
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { startFleet } from '../../__tests__/support/fleet.ts'
import { makeKeys, startSshServer } from '../../demo/ssh-server.ts'
import { type Lane, startWire } from '../transfer/wire.ts'

export interface Servers {
  readonly username: string
  readonly clientKey: string
  readonly hosts: readonly { readonly port: number; readonly knownHosts: string; readonly home: string }[]
}

interface Started {
  readonly servers: Servers
  readonly addresses: readonly string[]
  stop(): Promise<void>
}

const [, , kind, count = '1', folder = '', bits, roundTrip] = process.argv
const root = join(import.meta.dirname, '..', '..')

async function startEmbedded(): Promise<Started> {
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
  const servers = { username: 'deploy', clientKey: clientKeys.private, hosts }
  return { servers, addresses: hosts.map(() => '127.0.0.1'), stop: async () => undefined }
}

async function startReal(): Promise<Started> {
  const { hosts, inputs, stop } = await startFleet(Number(count))
  const [username = '', clientKey = ''] = [inputs['username'], inputs['key']]
  return {
    servers: {
      username,
      clientKey,
      hosts: hosts.map(({ sshd, home }) => ({ port: sshd.port, knownHosts: sshd.hostPublicKeyLine, home })),
    },
    addresses: hosts.map(({ address }) => address),
    stop,
  }
}

const { servers, addresses, stop } = await (kind === 'real' ? startReal() : startEmbedded())
const uplink: Lane = { free: 0 }
const hosts = await Promise.all(
  servers.hosts.map(async ({ port: targetPort, knownHosts, home }, index) => {
    const targetHost = addresses[index]!
    const [bitsPerSecond, roundTripMs] = [Number(bits), Number(roundTrip)]
    const { port } = await startWire({ targetPort, targetHost, bitsPerSecond, roundTripMs, uplink })
    return { port, knownHosts: knownHosts.replace(/^\S+/, `[127.0.0.1]:${port}`), home }
  }),
)
process.on('disconnect', () => void stop().finally(() => process.exit(0)))
process.send!({ ...servers, hosts } satisfies Servers)
