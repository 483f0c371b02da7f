import { setTimeout as delay } from 'node:timers/promises'

const POLL = 20

/**
 * Waits for a condition, instead of a time that should do.
 * @returns what the condition gave, once that is neither false, null nor undefined
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 40_000,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const found = await condition()
    if (found !== false && found !== null && found !== undefined)
      return found as Exclude<T, false | null | undefined>
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`)
    await delay(POLL)
  }
}
