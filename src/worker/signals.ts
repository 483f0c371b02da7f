/**
 * Holds back the app's own shutdown handlers until every request has finished.
 *
 * On SIGINT and SIGTERM Next.js closes idle connections at once, which resets clients that are about to use
 * them, and then runs its cleanup: `after()` work, instrumentation (14, 15, 16). Called at the end, the cleanup
 * still runs and nothing is reset.
 */
import { constants } from 'node:os'

type HeldSignal = 'SIGINT' | 'SIGTERM'
const HELD: readonly HeldSignal[] = ['SIGINT', 'SIGTERM']
const isHeld = (event: unknown): event is HeldSignal => HELD.includes(event as HeldSignal)

export interface HeldSignals {
  /** Sets the launcher's own handler for both signals. */
  onSignal(handler: (signal: HeldSignal) => void): void
  /** Calls the app's handlers of this signal. @returns whether there were any */
  release(signal: HeldSignal): boolean
}

/**
 * Takes both signals at `process.emit`, through which Node.js delivers them (18 to 24). The app may add and remove
 * handlers in any way: none of them is called before `release`.
 */
export function holdSignals(): HeldSignals {
  let onSignal: (signal: HeldSignal) => void = () => undefined
  const { emit, removeListener } = process
  // Node.js stops listening to a signal that has no handler, and binds `emit` when the first one is added.
  const keep = () => undefined
  const early = HELD.map((signal) => [signal, process.rawListeners(signal)] as const)
  for (const signal of HELD) process.removeAllListeners(signal)

  process.emit = function (this: NodeJS.Process, event: string | symbol, ...args: unknown[]): boolean {
    if (!isHeld(event)) return Reflect.apply(emit, this, [event, ...args]) as boolean
    onSignal(event)
    return true
  } as typeof process.emit
  // `removeAllListeners` ends here as well: Node.js itself listens to removals (18 to 24).
  process.off = process.removeListener = function (
    this: NodeJS.Process,
    event: string | symbol,
    listener: () => void,
  ): NodeJS.Process {
    return listener === keep ? this : removeListener.call(this, event, listener)
  } as typeof process.off

  for (const [signal, listeners] of early) {
    process.on(signal, keep)
    for (const listener of listeners) process.on(signal, listener as NodeJS.SignalsListener)
  }

  return {
    onSignal(handler) {
      onSignal = handler
    },
    release(signal) {
      const has = process.listeners(signal).some((listener) => listener !== keep)
      Reflect.apply(emit, process, [signal, signal, constants.signals[signal]])
      return has
    },
  }
}
