/**
 * The app's own shutdown handlers, held back until everything inside has finished.
 *
 * On SIGINT and SIGTERM Next closes idle connections at once, which resets clients that are about to use
 * them, and then runs its cleanup: `after()` work, instrumentation (14, 15, 16). Held back and called at the
 * end, the cleanup stays and the resets go.
 */
type Handler = (...args: unknown[]) => void

const HELD: ReadonlySet<string | symbol> = new Set(['SIGINT', 'SIGTERM'])

export interface HeldSignals {
  /** Our own handler for both signals. */
  onSignal(handler: (signal: NodeJS.Signals) => void): void
  /** Calls what the app registered for this signal. @returns how many handlers there were */
  release(signal: NodeJS.Signals): number
}

export function holdSignals(): HeldSignals {
  const held = new Map<string | symbol, Handler[]>([...HELD].map((signal) => [signal, []]))
  const { on, removeListener } = process

  const add = function (this: NodeJS.Process, event: string | symbol, handler: Handler): NodeJS.Process {
    const handlers = held.get(event)
    if (!handlers) return on.call(this, event as never, handler)
    handlers.push(handler)
    return this
  }
  const remove = function (this: NodeJS.Process, event: string | symbol, handler: Handler): NodeJS.Process {
    const handlers = held.get(event)
    const index = handlers?.indexOf(handler) ?? -1
    if (handlers && index >= 0) handlers.splice(index, 1)
    return removeListener.call(this, event, handler)
  }
  const { once } = process
  process.on = process.addListener = add as typeof process.on
  process.once = function (this: NodeJS.Process, event: string | symbol, handler: Handler) {
    return HELD.has(event) ? add.call(this, event, handler) : once.call(this, event as never, handler)
  } as typeof process.once
  process.off = process.removeListener = remove as typeof process.off

  return {
    onSignal(handler) {
      for (const signal of HELD) on.call(process, signal as never, () => handler(signal as NodeJS.Signals))
    },
    release(signal) {
      const handlers = [...(held.get(signal) ?? [])]
      for (const handler of handlers) handler.call(process, signal)
      return handlers.length
    },
  }
}
