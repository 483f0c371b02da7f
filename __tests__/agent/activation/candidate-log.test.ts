/** The check of a candidate, with a program in the launcher's place that says what a launcher says. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from '@jest/globals'
import { verifyCandidate } from '../../../src/agent/activation/candidate.ts'
import { layoutOf, makeFolders, releaseDirectory, releaseFiles } from '../../../src/agent/store/layout.ts'
import type { Runtime } from '../../../src/protocol/messages.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const id = '20261120155203'

const launcher = `
const { mkdirSync, readFileSync, writeFileSync } = require('node:fs')
const { createServer } = require('node:http')
console.error("Error: ENOENT: no such file or directory, open '/x/mail.html'")
console.log('ready')
console.error("Error: Cannot find module '/x/keys.js'")
const server = createServer((request, response) => response.end('ok'))
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address()
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  const record = {
    pid: process.pid, startTime, release: '${id}', candidate: true, phase: 'open', port, doorPort: port,
    leavesAt: null, detail: '', excerpt: '', movedPorts: null,
  }
  mkdirSync(WORKERS, { recursive: true })
  writeFileSync(WORKERS + '/' + process.pid + '.json', JSON.stringify(record))
})
`

test('a healthy candidate hands over the lines of its log that tell of missing files', async () => {
  const layout = layoutOf(folder())
  const file = releaseFiles(releaseDirectory(layout, id)).launcher
  mkdirSync(dirname(file), { recursive: true })
  makeFolders(layout)
  writeRelease(layout, id)
  writeFileSync(file, `const WORKERS = ${JSON.stringify(layout.workers)}\n${launcher}`)
  writeFileSync(join(dirname(file), 'package.json'), '{"type":"commonjs"}')
  const health = {
    path: '/',
    status: [[200, 399]],
    body: null,
    timeoutMs: 10_000,
    intervalMs: 100,
    origin: null,
  }
  const runtime = { health, nodeOptions: [] } as unknown as Runtime
  const start = { node: process.execPath, cwd: layout.base, env: {}, limits: '' }
  expect(await verifyCandidate(layout, id, runtime, start)).toMatchObject({
    status: 200,
    notFound:
      "Error: ENOENT: no such file or directory, open '/x/mail.html'\nError: Cannot find module '/x/keys.js'",
  })
})
