/** The runner's own waiting on virtual time: timers, the monotonic clock, and the public URL. */
import type { Clock } from './clock.ts'

/** @param status what the public URL answers @returns puts the real ones back */
export function onVirtualTime(clock: Clock, status: () => number): () => void {
  const { setTimeout, fetch } = globalThis
  const now = performance.now.bind(performance)
  const after = (act: () => void, ms = 0) => clock.after(ms, act)
  globalThis.setTimeout = after as unknown as typeof setTimeout
  globalThis.fetch = async () => new Response('', { status: status() })
  performance.now = () => clock.now
  return () => {
    Object.assign(globalThis, { setTimeout, fetch })
    performance.now = now
  }
}
