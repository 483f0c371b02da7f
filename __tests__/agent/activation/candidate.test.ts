import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { verifyCandidate } from '../../../src/agent/activation/candidate.ts'
import { endOrphanedCandidates, recordCandidate } from '../../../src/agent/activation/candidates.ts'
import { layoutOf, makeFolders } from '../../../src/agent/store/layout.ts'
import { createOperations } from '../../../src/agent/operations/index.ts'
import { workerStart } from '../../../src/agent/pm2/worker-start.ts'
import { startTimeOf } from '../../../src/common/process-identity.ts'
import { type FakeRelease, type FakeReleaseOptions, makeRelease } from '../../worker/fake-release.ts'
import { compile } from '../../support/compile.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'

const folder = temporaryFolders()
let compiled: string
beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
const agents: ChildProcess[] = []
const left: number[] = []
afterEach(() => {
  for (const agent of agents.splice(0)) agent.kill('SIGKILL')
  for (const pid of left.splice(0)) if (startTimeOf(pid) !== null) process.kill(pid, 'SIGKILL')
})

const start = (app: string) => workerStart(app, join(app, 'no-pm2'), null)

async function make(options: FakeReleaseOptions) {
  const release = await makeRelease(folder(), compiled, options)
  const layout = layoutOf(release.app)
  makeFolders(layout)
  const written = (name: string) => until(name, () => readIfThere(join(release.directory, name)))
  return {
    release,
    layout,
    written,
    verify: async () => verifyCandidate(layout, release.id, release.runtime, await start(release.app)),
  }
}

/** An agent that verifies the release in a process of its own. */
async function startAgent({ app, id, runtime }: FakeRelease): Promise<ChildProcess> {
  const at = (name: string) => JSON.stringify(join(compiled, name))
  const code = `
    const { verifyCandidate } = require(${at('agent/activation/candidate.js')})
    const { layoutOf } = require(${at('agent/store/layout.js')})
    verifyCandidate(layoutOf(${JSON.stringify(app)}), '${id}', ${JSON.stringify(runtime)}, ${JSON.stringify(await start(app))})
      .catch((error) => { console.error(error); process.exit(1) })`
  const agent = spawn(process.execPath, ['-e', code], { stdio: 'inherit' })
  agents.push(agent)
  return agent
}

async function kill(agent: ChildProcess): Promise<void> {
  agent.kill('SIGKILL')
  await once(agent, 'exit')
}

function readIfThere(file: string): string | null {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  return text === '' ? null : text
}

const BUSY = `require('node:fs').writeFileSync(__dirname + '/pid', String(process.pid)); for (;;);`
/** What the app starts notices nothing of the end of its parent. */
const PARENT = `
  const child = require('node:child_process').spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
  require('node:fs').writeFileSync(__dirname + '/pid', String(child.pid))
  setInterval(() => undefined, 1000)`

describe('a candidate that outlives its agent', () => {
  const discard = ({ app, id }: FakeRelease) =>
    createOperations({ base: app, appName: 'site', binPath: [], agentFile: '' }).handlers.discard(
      { id, remove: true },
      {
        body: (async function* () {})(),
        event: () => undefined,
        send: async () => undefined,
        alive: () => undefined,
      },
    )

  test.each([
    ['itself', BUSY],
    ['in a process that it started', PARENT],
  ])('%s is ended by whoever comes next, and holds no release', async (_, server) => {
    const { release, layout, written } = await make({ server })
    const agent = await startAgent(release)
    const pid = Number(await written('pid'))
    left.push(pid)
    await kill(agent)
    expect(startTimeOf(pid)).not.toBe(null)
    expect(await discard(release)).toEqual({ removed: true })
    expect(startTimeOf(pid)).toBe(null)
    expect(readdirSync(layout.candidates)).toEqual([])
  })

  test('is left alone as long as its agent lives', async () => {
    const { release, written } = await make({ server: BUSY })
    await startAgent(release)
    const pid = Number(await written('pid'))
    left.push(pid)
    expect(await discard(release)).toEqual({ removed: false })
    expect(startTimeOf(pid)).not.toBe(null)
  })

  test('is ended beside an agent that hangs, once it has run for longer than it may', async () => {
    const { layout } = await make({})
    const sleep = () => spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' })
    const [late, punctual] = [sleep(), sleep()]
    left.push(late.pid!, punctual.pid!)
    await recordCandidate(layout, late.pid!, 0)
    await recordCandidate(layout, punctual.pid!, 60_000)
    await endOrphanedCandidates(layout)
    expect([late, punctual].map(({ pid }) => startTimeOf(pid!) === null)).toEqual([true, false])
    expect(readdirSync(layout.candidates)).toEqual([`${punctual.pid}.json`])
  })
})

test('a candidate that is healthy leaves no process and no record', async () => {
  const { layout, verify, release } = await make({})
  expect(await verify()).toMatchObject({ status: 200 })
  expect(readdirSync(layout.candidates)).toEqual([])
  expect(readdirSync(layout.workers)).toEqual([])
  expect(release.notes()).toContain('SIGTERM')
})
