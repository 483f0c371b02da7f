import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { buildOfExample } from '../support/builds.ts'
import { startLoad, type Visitors } from '../support/load.ts'
import { nodeBinary } from '../../scripts/node-version.mjs'
import { runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createVisitedApp } from '../support/visited-app.ts'
import { sabotage, type Workspace, workspaceAt } from '../support/workspace.ts'

/**
 * The versions of PM2 and Node.js that a server may have, and those that a runner may have: with GAPLESS_TEST_ALL=1
 * (npm run test:all).
 */
const thorough = process.env['GAPLESS_TEST_ALL'] === '1' ? describe : describe.skip

interface Versions {
  readonly name: string
  readonly pm2Package?: string
  readonly node?: string
  /** The runner's Node.js: 24 unless said otherwise. */
  readonly runnerNode?: string
  /** A Next.js that runs there, where the example's does not. */
  readonly next?: { readonly next: string; readonly react: string }
}

const versions: readonly Versions[] = [
  { name: 'Node.js 24', node: '24' },
  { name: 'Node.js 22', node: '22' },
  { name: 'Node.js 20, from a runner with Node.js 20', node: '20', runnerNode: '20' },
  { name: 'Node.js 18, with Next.js 14', node: '18', next: { next: '14.2.35', react: '18.3.1' } },
  { name: 'PM2 6', pm2Package: 'pm2-6' },
  { name: 'PM2 5.4', pm2Package: 'pm2-5' },
  { name: 'PM2 5.4 and Node.js 24', pm2Package: 'pm2-5', node: '24' },
]

thorough.each(versions)('a server with $name', ({ pm2Package, node, next, runnerNode }) => {
  let server: TestServer
  let workspace: Workspace
  let visitors: Visitors

  beforeAll(async () => {
    server = await startServer({
      ...(pm2Package === undefined ? {} : { pm2Package }),
      ...(node === undefined ? {} : { node: nodeBinary(node) }),
    })
    visitors = { keepAlive: 4, fresh: 2 }
    if (next === undefined) {
      workspace = await buildOfExample('first')
      visitors = { ...visitors, post: 2, stream: 1 }
      return
    }
    const app = createVisitedApp(next)
    app.setMessage('first')
    workspace = workspaceAt(app.path)
    const install = { 'install-command': 'npm install --no-audit --no-fund --no-package-lock' }
    const run = await deploy({ ...install, 'build-command': '', 'dry-run': 'true' })
    if (run.code !== 0) throw new Error(run.log)
  }, 300_000)
  afterAll(async () => {
    await server?.stop()
    workspace?.remove()
  }, 30_000)

  function deploy(inputs: Readonly<Record<string, string>> = {}, from = workspace): Promise<RunResult> {
    const prebuilt = { 'install-command': 'none', 'build-command': 'none', observe: '1s' }
    return runAction({
      workspace: from.path,
      inputs: { ...server.inputs, ...prebuilt, ...inputs },
      ...(runnerNode === undefined ? {} : { node: runnerNode }),
    })
  }

  const expectEnd = ({ code, outputs, log }: RunResult, status: string, live?: string) =>
    expect({ ...outputs, log: outputs['status'] === status ? '' : log, code }).toMatchObject({
      status,
      log: '',
      code: status === 'live' ? 0 : 1,
      ...(live === undefined ? {} : { 'live-release': live }),
    })

  test('deploys, undoes a release that dies, and rolls back, without losing a request', async () => {
    const first = await deploy()
    expectEnd(first, 'live')
    if (node !== undefined) expect(first.summary).toContain(`Node ${node}.`)
    const load = startLoad(server.url, visitors)
    const second = await deploy({ 'max-memory': '500M' })
    expectEnd(second, 'live')
    const dying = `if (process.env.pm_id !== undefined) setTimeout(() => process.exit(1), 500)`
    const broken = sabotage(workspace.copyBuilt(), dying)
    const undone = await deploy({}, broken)
    broken.remove()
    expectEnd(undone, 'restored', second.outputs['release'])
    expectEnd(await deploy({ command: 'rollback' }), 'live', first.outputs['release'])
    expect((await load.stop()).failures).toEqual([])
    const workers = (await server.pm2List()).map(({ pm2_env }) => [pm2_env.status, pm2_env['node_version']])
    const running = node === undefined ? process.versions.node : expect.stringMatching(`^${node}\\.`)
    expect(workers).toEqual([
      ['online', running],
      ['online', running],
    ])
  }, 180_000)
})
