import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { openAgent } from '../../src/agent-client/agent-session.ts'
import { startTimeOf } from '../../src/common/process-identity.ts'
import type { Host } from '../../src/hosts/host.ts'
import { verifyWithTest } from '../../src/phases/test-candidate.ts'
import { LAUNCHER } from '../../src/protocol/manifest.ts'
import { agentOf } from '../support/agent.ts'
import { compile } from '../support/compile.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { type LocalShell, localShell } from '../support/local-shell.ts'
import { silentLog } from '../support/log.ts'
import { until } from '../support/until.ts'
import { makeRelease } from '../worker/fake-release.ts'

/** A real agent and a real candidate, without SSH between them and the runner. */
const folder = temporaryFolders()
let compiled: string
let shell: LocalShell | undefined
beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
afterEach(() => shell?.kill())

/** Echoes bodies and what comes after an upgrade, and dies when it is told to. */
const SERVER = `
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/die') { console.error('out of luck'); process.exit(9) }
  if (request.url === '/echo') return request.pipe(response)
  response.setHeader('set-cookie', 'seen=' + request.headers.host)
  response.end(JSON.stringify(request.headers))
})
server.on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: echo\\r\\nConnection: Upgrade\\r\\n\\r\\n')
  socket.pipe(socket)
})
require('node:fs').writeFileSync(process.env.FLAGS + '/pid', String(process.pid))
server.listen(Number(process.env.PORT), process.env.HOSTNAME)
`

async function start() {
  const home = folder()
  const release = await makeRelease(home, compiled, { server: SERVER })
  const launcher = readFileSync(join(release.directory, LAUNCHER))
  const hash = createHash('sha256').update(launcher).digest('hex')
  const entry = { kind: 'file', path: LAUNCHER, mode: 0o644, size: launcher.length, hash }
  writeFileSync(join(release.directory, '.gapless', 'manifest.jsonl'), `${JSON.stringify(entry)}\n`)
  shell = localShell({ env: { HOME: home, PATH: dirname(process.execPath) } })
  const agent = await openAgent(shell, { ...agentOf(compiled), path: 'app' }, 10_000)
  const host = { name: null, agent: () => agent } as unknown as Host
  const lines: string[] = []
  const log = { ...silentLog, info: (line: string) => void lines.push(line) }
  const candidates = () => readdirSync(join(release.app, '.gapless', 'candidates'))
  return {
    agent,
    lines,
    home,
    /** @param code of a program that tests the candidate */
    verify(code: string, limitMs = 20_000) {
      writeFileSync(join(home, 'check.mjs'), `const url = process.env.BASE_URL\n${code}`)
      const command = `exec '${process.execPath}' check.mjs`
      const said = { host: null, port: null }
      return verifyWithTest(host, { id: release.id, said, command, directory: home, limitMs }, log)
    },
    /** Nothing runs any more. */
    async isOver() {
      const pid = Number(readFileSync(join(home, 'flags', 'pid'), 'utf8'))
      await until('the candidate has ended', () => startTimeOf(pid) === null && candidates().length === 0)
    },
  }
}

describe('a test reaches the candidate', () => {
  test('by 20 requests with large bodies side by side, and the session goes on afterwards', async () => {
    const { verify, isOver, agent } = await start()
    const { found } = await verify(`
      const body = 'x'.repeat(300_000)
      const post = async () => (await (await fetch(url + '/echo', { method: 'POST', body })).text()) === body
      const equal = await Promise.all(Array.from({ length: 20 }, post))
      process.exit(equal.every(Boolean) ? 0 : 1)`)
    expect(found).toMatchObject({ status: 200 })
    await isOver()
    expect(await agent.call('releases', {})).toMatchObject({ releases: [{ staged: false }] })
  })

  test('with the headers that it sends', async () => {
    const { verify, lines } = await start()
    await verify(`
      import http from 'node:http'
      const headers = { host: 'example.com', 'x-forwarded-proto': 'https' }
      http.get(url + '/', { headers }, (answer) => {
        console.log(answer.headers['set-cookie'][0])
        answer.on('data', (chunk) => console.log(JSON.parse(chunk)['x-forwarded-proto']))
      })`)
    expect(lines).toEqual([
      expect.stringContaining('BASE_URL is http://127.0.0.1:'),
      'seen=example.com',
      'https',
    ])
  })

  test('by a connection that changes its protocol', async () => {
    const { verify, lines } = await start()
    await verify(`
      import http from 'node:http'
      const request = http.get(url + '/', { headers: { connection: 'Upgrade', upgrade: 'echo' } })
      request.on('upgrade', (answer, socket) => {
        let got = 0
        socket.on('data', (chunk) => (got += chunk.length) === 1_000_000 && socket.end())
        socket.on('end', () => process.exit(console.log(got)))
        socket.write(Buffer.alloc(1_000_000))
      })`)
    expect(lines).toContain('1000000')
  })

  test('and by nothing once it has ended', async () => {
    const { verify, lines } = await start()
    await verify('await fetch(url)')
    const url = /http:\S+/.exec(lines[0]!)![0]
    await expect(fetch(url)).rejects.toThrow()
  })
})

describe('a test that', () => {
  test('fails is told by its exit code and its last lines, and ends the candidate', async () => {
    const { verify, isOver } = await start()
    const failure = await failureOf(verify(`console.log('expected 1, got 2'); process.exit(3)`))
    expect(failure).toMatchObject({
      code: 'test-failed',
      message: '`test-command` exited with code 3.',
      evidence: 'expected 1, got 2',
    })
    await isOver()
  })

  test('is late is ended', async () => {
    const { verify, isOver } = await start()
    const failure = await failureOf(verify('setInterval(() => undefined, 1000)', 300))
    expect(failure.message).toBe('`test-command` did not end within 0.3 seconds, and was ended.')
    await isOver()
  })

  test('ends the candidate is told what the app said', async () => {
    const { verify, isOver } = await start()
    const failure = await failureOf(
      verify(`console.log('it begins'); await fetch(url + '/die').catch(() => undefined)`),
    )
    expect(failure).toMatchObject({ code: 'candidate-died', message: expect.stringContaining('code 9') })
    expect(failure.evidence).toContain('out of luck')
    expect(failure.evidence).toContain('it begins')
    await isOver()
  })

  test('leaves requests unanswered holds up nothing', async () => {
    const { verify, isOver } = await start()
    await verify(`
      import net from 'node:net'
      const { port } = new URL(url)
      const open = () => new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1', () => {
          socket.write('POST /echo HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 9000000\\r\\n\\r\\n' + 'x'.repeat(500_000))
          socket.pause()
          setTimeout(resolve, 500)
        })
        socket.on('error', resolve)
      })
      await Promise.all(Array.from({ length: 20 }, open))
      const answer = await fetch(url)
      process.exit(answer.ok ? 0 : 1)`)
    await isOver()
  })
})

test('an agent whose runner goes ends the candidate', async () => {
  const { verify, isOver, home } = await start()
  const running = failureOf(
    verify(`
    import { writeFileSync } from 'node:fs'
    writeFileSync('begun', String(process.pid))
    setInterval(() => undefined, 1000)`),
  )
  await until('the test runs', () => existsSync(join(home, 'begun')))
  shell!.child!.stdin!.destroy()
  await running
  expect(startTimeOf(Number(readFileSync(join(home, 'begun'), 'utf8')))).toBe(null)
  await isOver()
})

test('what is sent is not stored anywhere', async () => {
  const { verify, home } = await start()
  const secret = randomBytes(16).toString('hex')
  await verify(`await fetch(url + '/echo', { method: 'POST', body: '${secret}' })`)
  const files = readdirSync(join(home, 'app'), { recursive: true, encoding: 'utf8', withFileTypes: true })
  const found = files.filter(
    (file) => file.isFile() && readFileSync(join(file.parentPath, file.name), 'utf8').includes(secret),
  )
  expect(found).toEqual([])
})
