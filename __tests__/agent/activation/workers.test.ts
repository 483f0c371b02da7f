import { expect, test } from '@jest/globals'
import { isOurs } from '../../../src/agent/activation/workers.ts'
import type { Pm2Process } from '../../../src/agent/pm2/client.ts'

const app = { script: '/srv/web/current/.gapless/launcher.cjs', cwd: '/srv/web/current' }
const process = (changes: Partial<Pm2Process>): Pm2Process => ({
  id: 0,
  name: 'web',
  pid: 1,
  status: 'online',
  restarts: 0,
  mode: 'cluster_mode',
  memoryBytes: 0,
  errorLog: '',
  outLog: '',
  definition: {},
  ...app,
  ...changes,
})

test('a cluster worker that PM2 starts through current is ours', () => {
  expect(isOurs(process({}), app)).toBe(true)
})

test.each([
  ['in fork mode', { mode: 'fork_mode' }],
  ['through npm or another program', { script: '/usr/bin/npm', mode: 'fork_mode' }],
  ['in cluster mode, with another script', { script: '/srv/web/server.js' }],
  ['by the release’s real path', { script: '/srv/web/releases/20261120155203/.gapless/launcher.cjs' }],
  ['in another folder', { cwd: '/srv/web/releases/20261120155203' }],
])('a process that PM2 runs %s is not ours', (_, changes) => {
  expect(isOurs(process(changes), app)).toBe(false)
})
