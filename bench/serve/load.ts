/** A client that asks as fast as it is answered, with so little work of its own that the server is what is measured. */
import { once } from 'node:events'
import net from 'node:net'

export interface Load {
  readonly answers: number
  /** Answers a second. */
  readonly rate: number
  /** Of the answers' times, in ms. */
  readonly p99: number
}

export interface Asked {
  readonly port: number
  readonly path: string
  /** Whether a connection is used again, or each request has its own. */
  readonly keepAlive: boolean
}

/** @throws when an answer is not 200 */
export async function load(asked: Asked, connections: number, seconds: number): Promise<Load> {
  const times: number[] = []
  const begun = performance.now()
  const until = begun + seconds * 1000
  const visitor = async () => {
    const open = () => connectionTo(asked.port)
    let connection = asked.keepAlive ? open() : undefined
    while (performance.now() < until) {
      const sent = performance.now()
      const { socket, answer } = connection ?? open()
      socket.write(requestFor(asked))
      const closes = await answer()
      times.push(performance.now() - sent)
      if (!asked.keepAlive) socket.destroy()
      else if (closes) {
        socket.destroy()
        connection = open()
      }
    }
    connection?.socket.destroy()
  }
  await Promise.all(Array.from({ length: connections }, visitor))
  const rate = (times.length * 1000) / (performance.now() - begun)
  times.sort((a, b) => a - b)
  return { answers: times.length, rate, p99: times[Math.floor(times.length * 0.99)] ?? NaN }
}

function requestFor({ port, path, keepAlive }: Asked): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Accept: text/html,image/webp,*/*',
    'Accept-Encoding: gzip',
    ...(keepAlive ? [] : ['Connection: close']),
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** `answer` reads the next answer, and resolves with whether the server closes the connection after it. */
function connectionTo(port: number): { socket: net.Socket; answer: () => Promise<boolean> } {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
  const end = Buffer.from('0\r\n\r\n')
  return {
    socket,
    answer: () =>
      new Promise((resolve, reject) => {
        let head: string | undefined
        let start: Buffer = Buffer.alloc(0)
        /** Bytes of the body; negative: it is chunked, and its last chunk is empty. */
        let left = 0
        const settle = (act: () => void) => {
          socket.off('data', onData).off('error', onError).off('close', onClose)
          act()
        }
        const onError = (error: Error) => settle(() => reject(error))
        const onClose = () => settle(() => reject(new Error('the server closed the connection')))
        const onData = (chunk: Buffer) => {
          let body = chunk
          if (head === undefined) {
            start = start.length === 0 ? chunk : Buffer.concat([start, chunk])
            const at = start.indexOf('\r\n\r\n')
            if (at < 0) return
            head = start.toString('latin1', 0, at).toLowerCase()
            if (!head.startsWith('http/1.1 200')) return onError(new Error(head))
            left = Number(/content-length: (\d+)/.exec(head)?.[1] ?? -1)
            body = start.subarray(at + 4)
          }
          const isWhole = left < 0 ? body.subarray(-end.length).equals(end) : (left -= body.length) === 0
          if (isWhole) settle(() => resolve(head!.includes('connection: close')))
        }
        socket.on('data', onData).once('error', onError).once('close', onClose)
      }),
  }
}

/** Until something answers. */
export async function answering(port: number): Promise<void> {
  for (;;) {
    const socket = net.connect({ port, host: '127.0.0.1' })
    try {
      await once(socket, 'connect')
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    } finally {
      socket.destroy()
    }
  }
}
