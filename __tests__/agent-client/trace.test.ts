import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { type AgentSession, openAgent } from '../../src/agent-client/agent-session.ts'
import { traceLine } from '../../src/agent-client/trace.ts'
import { manifestStream } from '../../src/transfer/stream.ts'
import { run, runtimeWith } from '../agent/releases-on-disk.ts'
import { agentOf } from '../support/agent.ts'
import { compile } from '../support/compile.ts'
import { temporaryFolders } from '../support/folder.ts'
import { type LocalShell, localShell } from '../support/local-shell.ts'
import { manifestOf } from '../support/tree.ts'
import { bodyOf, missingList, stageParamsOf } from '../support/upload.ts'

const folder = temporaryFolders()
const PLANTED = 'planted-secret'

let compiled: string
let shell: LocalShell
beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
afterEach(() => shell.kill())

/** A session with a real agent, and a line for each of its messages. */
async function session(): Promise<{ agent: AgentSession; lines: readonly string[] }> {
  const lines: string[] = []
  shell = localShell({ env: { HOME: folder(), PATH: dirname(process.execPath) } })
  const agent = await openAgent(shell, agentOf(compiled), 10_000, (message) => lines.push(traceLine(message)))
  return { agent, lines }
}

test('every message is told: its way, its name, its request, its size, and what is in it', async () => {
  const { agent, lines } = await session()
  await agent.call('releases', {})
  await agent.call('integrity', { id: '20260101000001', repair: true }).catch(() => undefined)
  expect(lines).toEqual([
    expect.stringMatching(/^→ releases #1 request, \d+ bytes \{\}$/),
    expect.stringMatching(/^← releases #1 result, \d+ bytes \{"releases":\[\]\}$/),
    expect.stringMatching(/^→ integrity #2 request, \d+ bytes \{"id":"20260101000001","repair":true\}$/),
    expect.stringMatching(/^← integrity #2 error, \d+ bytes \{"code":"unknown-release",/),
  ])
})

test('what may be secret is in none, whatever it is: the environment, keys, commands, bodies', async () => {
  const { agent, lines } = await session()
  const manifest = await manifestOf(folder(), { 'server.js': `// ${PLANTED}` })
  const params = stageParamsOf(manifest)
  const { id } = params
  const { missing } = await agent.call('stage', params, { body: manifestStream(manifest, '') })
  await agent.call(
    'fill',
    { id, files: 1, compression: 'brotli' },
    { body: bodyOf(missingList(manifest, missing)) },
  )
  const { health } = runtimeWith()
  await agent.call('commit', {
    id,
    entry: 'server.js',
    staticPath: null,
    nextVersion: '16.4.6',
    builtMsAgo: 0,
    run,
    runtime: runtimeWith({
      env: { TOKEN: PLANTED, key: PLANTED },
      health: { ...health, body: PLANTED },
    }),
  })
  const { key } = await agent.call('encryptionKey', { create: true })
  const request = {
    activation: randomUUID(),
    release: id,
    kind: 'deploy',
    replaces: null,
    run,
    lockTimeoutMs: 0,
    said: null,
    canaryMs: 0,
    watchMs: 0,
  } as const
  const commands = { preActivate: `login ${PLANTED}`, postActivate: `notify ${PLANTED}` }
  // There is no PM2 here: it is about what was asked.
  await agent.call('activate', { ...request, ...commands }).catch(() => undefined)

  const text = lines.join('\n')
  expect(text).not.toContain(PLANTED)
  expect(key).toMatch(/^.{20,}$/)
  expect(text).not.toContain(key)
  expect(text).toContain('"env":{"TOKEN":"***","key":"***"}')
  expect(text).toContain('"preActivate":"***","postActivate":"***"')
  expect(text).toContain('{"key":"***"}')
  expect(text).toMatch(/→ fill #2 body, \d+ bytes\n/)
  for (const name of ['stage', 'fill', 'commit', 'encryptionKey', 'activate'])
    expect(lines.map((line) => line.split(' ')[1])).toContain(name)
})
