/** Lets the runner's test reach a candidate through the call that started it. */
import { connect } from 'node:net'
import { createTunnel } from '../../protocol/tunnel.ts'
import type { Trial } from '../activation/candidate.ts'
import type { Call } from './call.ts'

/** Signs of life while the test says nothing, in ms. */
const BEAT = 1000

export function tunnelFor({ body, event, send, alive }: Call, limitMs: number): Trial {
  return {
    limitMs,
    async use(port, found) {
      const tunnel = createTunnel({
        send,
        connect: () => connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true }),
      })
      const beat = setInterval(alive, BEAT)
      try {
        event(found)
        // It ends with the test, and fails with the connection.
        for await (const frame of body) tunnel.receive(frame)
      } finally {
        clearInterval(beat)
        tunnel.close()
      }
    },
  }
}
