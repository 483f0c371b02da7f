import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ports that Linux gives to connections, and to servers that name none. */
const [FIRST, END] = [20_000, 32_768]

/**
 * A port of 127.0.0.1 that is free, and that no other test gets while this process lives: many listen only after a while,
 * and suites run beside each other.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END)
    // An abstract socket exists as long as the process. macOS, where the demo runs too, has none.
    if (process.platform === 'linux' && !(await listens(`\0gapless-test-port-${port}`))) continue
    const probe = createServer()
    if (!(await listens({ port, host: '127.0.0.1' }, probe))) continue
    probe.close()
    await once(probe, 'close')
    return port
  }
}

/** Whether the server could listen there. */
async function listens(
  where: string | { readonly port: number; readonly host: string },
  server = createServer().unref(),
): Promise<boolean> {
  try {
    await once(server.listen(where), 'listening')
    return true
  } catch {
    return false
  }
}
