/**
 * Several real hosts behind one login, as users have them behind a load balancer: each with a network, an sshd, a
 * PM2, a Unix user and a home of its own.
 */
import { makeNamespaces, type Namespace } from './namespace.ts'
import { startServer, type TestServer } from './server.ts'

export interface FleetHost extends TestServer {
  readonly address: string
  readonly network: Namespace
}

export interface Fleet {
  readonly hosts: readonly FleetHost[]
  /** The inputs that every run against all of them needs. */
  readonly inputs: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** @throws where the machine does not let a test make network namespaces */
export async function startFleet(count: number): Promise<Fleet> {
  const namespaces = makeNamespaces(count)
  const hosts: FleetHost[] = []
  // Of this process alone, so that suites may run side by side, and far from those that this machine gives.
  const firstUid = 1_000_000 + 100 * process.pid
  const stop = async () => {
    await Promise.all(hosts.map((host) => host.stop()))
    for (const namespace of namespaces) namespace.remove()
  }
  try {
    for (const [index, network] of namespaces.entries()) {
      const authorized = hosts.map(({ sshd }) => sshd.clientPublicKey).slice(0, 1)
      const server = await startServer({ network, authorized, uid: firstUid + index })
      hosts.push({ ...server, network, address: network.address })
    }
  } catch (error) {
    await stop()
    throw error
  }
  return {
    hosts,
    inputs: {
      // The first one's key opens all.
      ...hosts[0]!.inputs,
      host: hosts.map(({ address }) => address).join('\n'),
      'known-hosts': hosts.map(({ sshd }) => sshd.hostPublicKeyLine).join('\n'),
    },
    stop,
  }
}
