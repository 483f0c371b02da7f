/**
 * The app's connections to its own ports, led to where this very process listens.
 *
 * Another release may serve on the public port: a page that requests `http://localhost:3000/api` of its own app would
 * be checked with the other release's answers. Everything in Node connects through `net.Socket` (18 to 24): `http`,
 * `tls`, and `fetch`. Child processes are not reached.
 */
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { networkInterfaces } from 'node:os'
import workerThreads from 'node:worker_threads'

export interface OwnPorts {
  /** @param actual where this process listens on 127.0.0.1 for `port`; null while it does not: it refuses then */
  lead(port: number, actual: number | null): void
}

/** By port: where it leads, 0 for all others. Shared with the process's threads. */
type Table = Int32Array

const PORTS = 65_536
const REFUSED = -1
const TABLE = 'gapless:own-ports'

/** @param launcherFile what every worker thread loads first, to call `leadThread` */
export function leadToOwnPorts(launcherFile: string): OwnPorts {
  const table: Table = new Int32Array(new SharedArrayBuffer(PORTS * Int32Array.BYTES_PER_ELEMENT))
  leadConnections(table)
  workerThreads.setEnvironmentData(TABLE, table)
  leadThreads(launcherFile)
  return { lead: (port, actual) => void (table[port] = actual ?? REFUSED) }
}

/** Does the same in a worker thread of such a process. */
export function leadThread(launcherFile: string): void {
  const table = workerThreads.getEnvironmentData(TABLE)
  if (!(table instanceof Int32Array)) return
  leadConnections(table)
  leadThreads(launcherFile)
}

type Connect = (this: net.Socket, ...args: unknown[]) => net.Socket
type Lookup = (host: string, options: object, answer: Answer) => void
type Answer = (error: Error | null, addresses: string | readonly dns.LookupAddress[], family?: number) => void
type Options = Partial<net.TcpNetConnectOpts & net.IpcNetConnectOpts>

function leadConnections(table: Table): void {
  const connect = net.Socket.prototype.connect as Connect
  const lead: Connect = function (...args) {
    const { options, callback } = readArguments(args)
    const port = Number(options.port)
    // `http` sets the path to null.
    if (options.path || !table[port]) return Reflect.apply(connect, this, args)
    const home = () => ({
      ...options,
      host: '127.0.0.1',
      port: Math.max(0, table[port] ?? 0),
      family: undefined,
      localAddress: undefined,
    })
    const host = options.host || 'localhost'
    if (net.isIP(host) !== 0) {
      return isOfThisMachine(host) ? connect.call(this, home(), callback) : Reflect.apply(connect, this, args)
    }
    const given = (options.lookup ?? dns.lookup) as Lookup
    const lookup: Lookup = (name, how, answer) => {
      given(name, how, (error, addresses, family) => {
        const found = [addresses ?? []].flat().map((each) => (typeof each === 'string' ? each : each.address))
        if (error !== null || !found.some(isOfThisMachine)) return answer(error, addresses, family)
        // Instead of an answer: a lookup gives the address alone, and the port has to change with it.
        if (this.connecting) connect.call(this, home())
      })
    }
    return connect.call(this, { ...options, lookup }, callback)
  }
  net.Socket.prototype.connect = lead
}

/** `connect` takes `(port, host?)`, `(path)`, `(options)`, and from `net.connect` an array of options and callback. */
function readArguments(args: readonly unknown[]): { options: Options; callback: unknown } {
  if (Array.isArray(args[0])) return readArguments(args[0] as unknown[])
  const [first, second] = args
  const callback = args.findLast((argument) => typeof argument === 'function')
  if (typeof first === 'object' && first !== null) return { options: first, callback }
  const host = typeof second === 'string' ? { host: second } : {}
  return { options: { port: first as number, ...host }, callback }
}

function isOfThisMachine(address: string): boolean {
  const own = new net.BlockList()
  own.addSubnet('127.0.0.0', 8)
  for (const { address: each, family } of Object.values(networkInterfaces()).flatMap((all) => all ?? [])) {
    own.addAddress(each, family === 'IPv6' ? 'ipv6' : 'ipv4')
  }
  // Linux takes the unspecified addresses for its own.
  for (const each of ['::1', '::']) own.addAddress(each, 'ipv6')
  own.addAddress('0.0.0.0')
  const [plain = ''] = address.split('%')
  return own.check(plain, net.isIPv6(plain) ? 'ipv6' : 'ipv4')
}

/** A thread has modules of its own. One that cannot be given another option is left as it is. */
function leadThreads(launcherFile: string): void {
  workerThreads.Worker = new Proxy(workerThreads.Worker, {
    construct(Worker, args: ConstructorParameters<typeof workerThreads.Worker>, newTarget) {
      const [file, options] = args
      const given = options?.execArgv ?? process.execArgv
      const start = (flags: readonly string[]) => {
        const execArgv = [...flags, '--require', launcherFile]
        return Reflect.construct(Worker, [file, { ...options, execArgv }], newTarget) as object
      }
      try {
        return start(given)
      } catch (error) {
        try {
          // V8's own flags belong to the whole process, and the error names them (Node 18 to 24).
          return start(given.filter((flag) => !(error as Error).message.includes(flag)))
        } catch {
          return Reflect.construct(Worker, args, newTarget) as object
        }
      }
    },
  })
  syncBuiltinESMExports()
}
