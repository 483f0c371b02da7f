/** A real ssh-agent that holds one key. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface SshAgent {
  readonly socket: string
  stop(): void
}

/** @param socket where it listens, a path that is free @param key private key text */
export async function startSshAgent(socket: string, key: string): Promise<SshAgent> {
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] })
  await once(agent.stdout, 'data')
  const add = spawn('ssh-add', ['-q', '-'], { env: { ...process.env, SSH_AUTH_SOCK: socket } })
  add.stdin.end(key)
  const [code] = (await once(add, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`ssh-add ended with ${code}`)
  return { socket, stop: () => void agent.kill() }
}
