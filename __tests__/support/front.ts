/** A server that stands in front of an app, in the foreground, with a configuration of the test's own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { freePort } from './port.ts'
import { until } from './until.ts'

export interface Front {
  readonly url: string
  stop(): Promise<void>
}

export interface FrontServer {
  readonly program: string
  /** How it is told where its configuration is. */
  readonly args: (file: string) => readonly string[]
  /** @param port of 127.0.0.1, to listen on @param folder to write in, removed at the end */
  readonly configuration: (port: number, folder: string) => string
}

/** Starts it, and waits until it answers for the app behind it. */
export async function startFront({ program, args, configuration }: FrontServer): Promise<Front> {
  const name = basename(program)
  const folder = mkdtempSync(join(tmpdir(), `gapless-${name}-`))
  const port = await freePort()
  const file = join(folder, `${name}.conf`)
  writeFileSync(file, configuration(port, folder))
  const server = spawn(program, args(file), { stdio: 'ignore' })
  const exited = once(server, 'exit')
  const url = `http://127.0.0.1:${port}`
  await until(`${name} answers`, async () => {
    if (server.exitCode !== null) throw new Error(`${name} did not start`)
    return fetch(url).then(
      ({ ok }) => ok,
      () => false,
    )
  })
  return {
    url,
    async stop() {
      server.kill('SIGTERM')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
