/** Releases that fail their visitors, and visitors that notice. */
import { get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { sabotage, type Workspace } from './workspace.ts'

/** One server.js in a hundred lines of trouble: a share of the answers to visitors fails, from a moment on. */
export const ill = (from: Workspace, share: number, afterMs = 0): Workspace =>
  sabotage(
    from.copyBuilt(),
    `if (process.env.pm_id !== undefined) {
      const http = require('node:http'), { emit } = http.Server.prototype, begun = Date.now()
      let visits = 0
      http.Server.prototype.emit = function (event, request, response) {
        const visitor = event === 'request' && request.url.startsWith('/api/release')
        const fails = visitor && Date.now() - begun >= ${afterMs} && (visits++ * ${share}) % 1 >= 1 - ${share}
        if (fails) { console.error('the shop is on fire'); return response.writeHead(500).end('ill') }
        return emit.apply(this, arguments)
      }
    }`,
  )

export interface Visitors {
  readonly statuses: number[]
  readonly broken: string[]
  stop(): Promise<void>
}

/** Each visitor has a connection of its own, so that every worker gets some. */
export function visit(url: string): Visitors {
  const statuses: number[] = []
  const broken: string[] = []
  let over = false
  const once = (path: string, aborts = false) =>
    new Promise<void>((resolve) => {
      const request = get(`${url}${path}`, { agent: false }, (response) => {
        if (path.startsWith('/api/release')) statuses.push(response.statusCode!)
        response.resume().on('close', resolve)
      })
      request.on('error', (error) => {
        if (!aborts) broken.push(error.message)
        resolve()
      })
      if (aborts)
        request.on('socket', (socket) => socket.once('connect', () => setTimeout(() => request.destroy(), 5)))
    })
  const visitor = async () => {
    for (let turn = 0; !over; turn += 1) {
      await once(`/api/release?token=hidden${turn}`)
      await once('/not-there')
      await once('/api/stream?seconds=2&chunks=4', true)
      await delay(60)
    }
  }
  const running = Promise.all([visitor(), visitor(), visitor()])
  return {
    statuses,
    broken,
    async stop() {
      over = true
      await running
    },
  }
}
