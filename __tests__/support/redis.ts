/** A real Redis for a test, which keeps nothing on disk. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { until } from './until.ts'

const PROGRAM = '/usr/bin/redis-server'

/** Where not, the tests of a shared cache are left out. */
export const hasRedis = existsSync(PROGRAM)

export interface Redis {
  readonly url: string
  /** Stops it without ending it: its connections stay, and nothing answers. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

/** @param address where it listens, and nowhere else: hosts of a test reach it there */
export async function startRedis(address: string, port = 6379): Promise<Redis> {
  // Nobody but the hosts of the test gets to such an address.
  const settings = { bind: address, port: `${port}`, 'protected-mode': 'no', save: '', appendonly: 'no' }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const redis = spawn(PROGRAM, args, { stdio: 'ignore' })
  await until('Redis answers', () => {
    if (redis.exitCode !== null) throw new Error('Redis did not start')
    return answers(address, port)
  })
  return {
    url: `redis://${address}:${port}`,
    freeze: () => void redis.kill('SIGSTOP'),
    thaw: () => void redis.kill('SIGCONT'),
    stop: () => killed(redis),
  }
}

async function killed(redis: ChildProcess): Promise<void> {
  if (redis.exitCode !== null || redis.signalCode !== null) return
  const exited = once(redis, 'exit')
  redis.kill('SIGKILL')
  await exited
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => socket.write('PING\r\n'))
    socket.once('data', (data) => {
      socket.destroy()
      resolve(data.toString() === '+PONG\r\n')
    })
    socket.once('error', () => resolve(false))
  })
}
