import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readInputs } from '../../src/inputs/index.ts'
import { connect } from '../../src/hosts/connect.ts'
import { createPipeline } from '../../src/pipeline.ts'
import { createPlan } from '../../src/plan.ts'
import { agentOf } from '../support/agent.ts'
import { compile } from '../support/compile.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { type Sshd, startSshd } from '../support/sshd.ts'
import { silentLog } from '../support/log.ts'

const folder = temporaryFolders()
let compiled: string
let home: string
let sshd: Sshd

beforeAll(async () => {
  compiled = compile()
  home = folder()
  sshd = await startSshd({ env: { HOME: home, PATH: `${join(process.execPath, '..')}:/usr/bin:/bin` } })
})
afterAll(async () => {
  await sshd.stop()
  rmSync(compiled, { recursive: true, force: true })
})

const plan = (inputs: Readonly<Record<string, string>> = {}) =>
  createPlan(
    readInputs({
      INPUT_HOST: sshd.host,
      INPUT_PORT: String(sshd.port),
      INPUT_USERNAME: sshd.username,
      INPUT_KEY: sshd.clientKey,
      INPUT_FINGERPRINT: sshd.fingerprint,
      ...inputs,
    }),
    'site',
  )

const lines: string[] = []
const pipeline = () =>
  createPipeline({
    ...silentLog,
    info: (line) => lines.push(line),
    warning: (line) => lines.push(line),
  })

function agentFile(code: Buffer | string): string {
  const file = join(folder(), 'agent.cjs')
  writeFileSync(file, code)
  return file
}

describe('connecting ends with', () => {
  test('how to install PM2 with the Node that was found, where there is none', async () => {
    const settings = { agentFile: agentFile(agentOf(compiled).source), persist: false }
    const failure = await failureOf(connect(plan(), settings, pipeline()))
    expect(failure.code).toBe('pm2-missing')
    expect(failure.remedy).toContain(
      `PATH="${join(process.execPath, '..')}:$PATH" npm install --global --prefix ~/.local pm2`,
    )
    expect(lines).toContain(`logged in to ${sshd.username}@127.0.0.1:${sshd.port} by publickey`)
    // Which is where it is looked for.
    expect(failure.evidence?.split('\n')).toEqual(
      expect.arrayContaining(['searched:', join(home, '.local/bin')]),
    )
  })

  test('what a second look finds, where the agent was killed in its first', async () => {
    const killed = join(folder(), 'killed')
    const first = `if (!require('node:fs').existsSync('${killed}')) {
      require('node:fs').writeFileSync('${killed}', '')
      process.kill(process.pid, 'SIGKILL')
    }\n`
    const source = Buffer.concat([Buffer.from(first), agentOf(compiled).source])
    lines.length = 0
    const failure = await failureOf(
      connect(plan(), { agentFile: agentFile(source), persist: false }, pipeline()),
    )
    expect(failure.code).toBe('pm2-missing')
    expect(lines.filter((line) => line.endsWith(' Retrying.'))).toHaveLength(1)
  })

  test('a failure when the agent says nothing', async () => {
    const settings = {
      // It ends with its connection, as all that tests start.
      agentFile: agentFile(
        'exports.serve = async (_, input) => { for await (const _ of input); process.exit() }',
      ),
      persist: false,
    }
    const failure = await failureOf(
      connect(plan({ 'INPUT_CONNECT-TIMEOUT': '1500ms' }), settings, pipeline()),
    )
    expect(failure).toMatchObject({ code: 'connection-timeout', message: expect.stringContaining('agent') })
  })
})
