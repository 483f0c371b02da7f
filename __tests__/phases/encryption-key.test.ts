import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { readInputs } from '../../src/inputs/index.ts'
import { encryptionKey } from '../../src/phases/encryption-key.ts'
import type { Log } from '../../src/pipeline.ts'
import { createPlan } from '../../src/plan.ts'
import type { AgentSession } from '../../src/agent-client/agent-session.ts'
import { silentLog } from '../support/log.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gapless-key-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

/** What the build gets, what the agent was asked, and what was masked. */
async function ask(inputs: Readonly<Record<string, string>>, onServer: string | null = 'of the server') {
  const asked: unknown[] = []
  const masked: string[] = []
  const agent = {
    call: (operation: string, params: unknown) => {
      asked.push([operation, params])
      return Promise.resolve({ key: onServer })
    },
  } as unknown as AgentSession
  const log: Log = { ...silentLog, mask: (secret) => void masked.push(secret) }
  const required = {
    host: 'example.com',
    username: 'u',
    password: 'p',
    fingerprint: `SHA256:${'A'.repeat(43)}`,
  }
  const environment = Object.fromEntries(
    Object.entries({ ...required, ...inputs }).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
  )
  const plan = createPlan(readInputs(environment), 'site')
  return { key: await encryptionKey(plan, directory, agent, log), asked, masked }
}

test('the build gets the server’s key, masked', async () => {
  expect(await ask({})).toEqual({
    key: 'of the server',
    asked: [['encryptionKey', { create: true }]],
    masked: ['of the server'],
  })
})

test('a dry run makes none', async () => {
  expect(await ask({ 'dry-run': 'true' }, null)).toEqual({
    key: undefined,
    asked: [['encryptionKey', { create: false }]],
    masked: [],
  })
})

test('what the workers are told at run time counts for the build, too', async () => {
  const { key, asked } = await ask({ env: 'NEXT_SERVER_ACTIONS_ENCRYPTION_KEY=of-the-user' })
  expect({ key, asked }).toEqual({ key: 'of-the-user', asked: [] })
})

test('a key in an .env file is left to the build', async () => {
  writeFileSync(join(directory, '.env.production'), 'NEXT_SERVER_ACTIONS_ENCRYPTION_KEY=mine')
  expect(await ask({})).toEqual({ key: undefined, asked: [], masked: [] })
})

test('where nothing is built, none is made', async () => {
  expect(await ask({ 'build-command': 'none' })).toEqual({ key: undefined, asked: [], masked: [] })
})
