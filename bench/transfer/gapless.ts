/** One upload by Gapless, with the memory that both of its sides took. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { TestServer } from '../../__tests__/support/server.ts'

const root = join(import.meta.dirname, '..', '..')

export interface Upload {
  readonly connectMs: number
  readonly assembleMs: number
  readonly uploadMs: number
  readonly id: string
  readonly detail: string
  readonly runnerBytes: number
  readonly agentBytes: number
}

/**
 * @param compiled the sources as JavaScript: Node's own stripping of types would count as the runner's memory
 * @param path the app's folder on the server
 */
export async function uploadWithGapless(
  server: TestServer,
  compiled: string,
  port: number,
  workspace: string,
  path: string,
  preview = false,
): Promise<Upload> {
  const settings = {
    inputs: {
      ...server.inputs,
      port: String(port),
      'known-hosts': server.inputs['known-hosts']!.replace(`:${server.sshd.port} `, `:${port} `),
      path,
      'install-command': 'none',
      'build-command': 'none',
      ...(preview ? { command: 'preview', preview: 'pr-1' } : {}),
    },
    workspace,
    agentFile: join(root, 'dist', 'agent.cjs'),
    launcherFile: join(root, 'dist', 'launcher.cjs'),
  }
  const args = [join(import.meta.dirname, 'runner.mjs'), compiled, JSON.stringify(settings)]
  let over = false
  const memory = peakOfAgents(server.home, () => over)
  const out = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 }, (error, text, errors) =>
      error ? reject(new Error(`${error.message}\n${errors}`)) : resolve(text),
    )
  }).finally(() => (over = true))
  const { rssBytes, ...upload } = JSON.parse(out) as Omit<Upload, 'runnerBytes' | 'agentBytes'> & {
    rssBytes: number
  }
  return { ...upload, runnerBytes: rssBytes, agentBytes: await memory }
}

/**
 * The largest resident size of the agent of this server, which its home tells. In bytes. To look through all processes
 * takes the wire's time, which runs in this one: that is done until the agent is found, and seldom.
 */
async function peakOfAgents(home: string, over: () => boolean): Promise<number> {
  let agent: string | undefined
  let peak = 0
  while (!over()) {
    agent ??= readdirSync('/proc').find((pid) => isAgent(pid, home))
    const bytes = agent === undefined ? undefined : peakOf(agent)
    // That of the upload before may still be ending.
    if (bytes === undefined) agent = undefined
    else peak = Math.max(peak, bytes)
    await delay(agent === undefined ? 200 : 50)
  }
  return peak
}

function isAgent(pid: string, home: string): boolean {
  const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8')
  try {
    return (
      /^\d+$/.test(pid) &&
      read('cmdline').includes('process.argv[1]') &&
      read('environ').includes(`HOME=${home}\0`)
    )
  } catch {
    // It has ended.
    return false
  }
}

/** What the kernel has noted; undefined once it has ended. */
function peakOf(pid: string): number | undefined {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
  } catch {
    return undefined
  }
}
