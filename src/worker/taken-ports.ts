/**
 * Free ports in place of those that are taken. A candidate runs beside the release that serves, and an app that opens
 * a second fixed port, for metrics or WebSockets, finds its own workers there. The workers share it through PM2.
 */
import dgram from 'node:dgram'
import type { EventEmitter } from 'node:events'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { requestedAddress } from './requested-address.ts'

export interface MovedPort {
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  /** Where the app listens instead. */
  readonly address: AddressInfo
}

type Method = (this: EventEmitter & { address(): unknown }, ...args: unknown[]) => unknown

/** From here on, `listen` and `bind` on a port that is taken get a free one. */
export function moveTakenPorts(onMove: (moved: MovedPort) => void): void {
  const replace = (prototype: object, name: string, protocol: MovedPort['protocol']) => {
    const methods = prototype as Record<string, Method>
    const original = methods[name]!
    methods[name] = function (...args) {
      const { port } = requestedAddress(args)
      if (port > 0) {
        insteadOfTaken(this, () => {
          this.once('listening', () => onMove({ port, protocol, address: this.address() as AddressInfo }))
          original.apply(this, withoutPort(args))
        })
      }
      return Reflect.apply(original, this, args)
    }
  }
  replace(net.Server.prototype, 'listen', 'tcp')
  replace(dgram.Socket.prototype, 'bind', 'udp')
}

/** Without the callback, too: it waits for `listening` already. */
function withoutPort([first, ...rest]: readonly unknown[]): unknown[] {
  if (typeof first === 'object') return [{ ...first, port: 0 }]
  return [0, ...rest.filter((argument) => typeof argument !== 'function')]
}

/** Acts in place of the `error` that says that the port is taken, before the app hears of it. */
function insteadOfTaken(emitter: EventEmitter, act: () => void): void {
  const { emit } = emitter
  emitter.emit = function (event: string, ...args: unknown[]) {
    if (event !== 'error' && event !== 'listening') return Reflect.apply(emit, this, [event, ...args])
    emitter.emit = emit
    if ((args[0] as NodeJS.ErrnoException | undefined)?.code !== 'EADDRINUSE')
      return this.emit(event, ...args)
    act()
    return true
  }
}
