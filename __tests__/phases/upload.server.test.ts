/** The upload over a real sshd, with a network in between that fails. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { layoutOf } from '../../src/agent/store/layout.ts'
import { checkIntegrity } from '../../src/agent/store/integrity.ts'
import { createUploads } from '../../src/agent/upload/upload.ts'
import { readInputs } from '../../src/inputs/index.ts'
import type { Built } from '../../src/phases/build.ts'
import { connect } from '../../src/hosts/connect.ts'
import type { Host } from '../../src/hosts/host.ts'
import { uploadToAll } from '../../src/phases/upload.ts'
import { createPipeline, type Pipeline } from '../../src/pipeline.ts'
import { createPlan, type Plan } from '../../src/plan.ts'
import type { Manifest } from '../../src/transfer/manifest.ts'
import { createPacker } from '../../src/transfer/packer.ts'
import { contentParts } from '../../src/transfer/stream.ts'
import { agentOf } from '../support/agent.ts'
import { compile } from '../support/compile.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { silentLog } from '../support/log.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { manifestOf } from '../support/tree.ts'
import { until } from '../support/until.ts'
import { stage } from '../support/upload.ts'

const folder = temporaryFolders()
let compiled: string
let server: TestServer
let proxy: Proxy
let hosts: readonly Host[] = []

beforeAll(async () => {
  compiled = compile()
  server = await startServer()
})
afterAll(async () => {
  await server.stop()
  rmSync(compiled, { recursive: true, force: true })
})
beforeEach(async () => {
  proxy = await startProxy(server.sshd.port)
})
afterEach(async () => {
  for (const host of hosts) host.close()
  await proxy.stop()
  await until('the agents have left', () => server.agentSessions().length === 0)
  rmSync(server.app, { recursive: true, force: true })
})

const output = {
  entry: 'server.js',
  staticPath: '.next/static',
  relativeAppDir: '',
  distDir: '.next',
  basePath: '',
  workerEnvironment: {},
  beganAt: Date.now(),
} as unknown as Built

/** Ten parts that do not pack. */
const contents = () => ({
  'server.js': '//',
  ...Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`public/${index + 10}`, randomBytes(1_000_000)]),
  ),
})

interface Session {
  readonly plan: Plan
  readonly pipeline: Pipeline
  readonly lines: readonly string[]
  /** What went over the channel, one line a message. */
  readonly messages: readonly string[]
}

async function open(): Promise<Session> {
  const port = String(proxy.port)
  const inputs: Readonly<Record<string, string>> = {
    ...server.inputs,
    port,
    'known-hosts': server.inputs['known-hosts']!.replace(`:${server.sshd.port} `, `:${port} `),
    path: server.app,
  }
  const env = Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
  )
  const plan = createPlan(readInputs(env), 'next-app')
  const lines: string[] = []
  const messages: string[] = []
  const pipeline = createPipeline({
    ...silentLog,
    info: (line) => void lines.push(line),
    debug: (line) => void messages.push(line()),
  })
  const agentFile = join(folder(), 'agent.cjs')
  writeFileSync(agentFile, agentOf(compiled).source)
  hosts = await connect(plan, { agentFile, persist: true, forUpload: true }, pipeline)
  return { plan, pipeline, lines, messages }
}

function upload({ plan, pipeline }: Session, manifest: Manifest, onSent?: (bytes: number) => void) {
  const packer = createPacker(manifest)
  return uploadToAll(plan, hosts, output, { manifest, packer }, pipeline, onSent)
}
const incoming = () => {
  const path = join(server.app, '.gapless/incoming')
  return existsSync(path) ? readdirSync(path) : []
}

async function expectWhole(id: string, manifest: Manifest): Promise<void> {
  const { files } = await checkIntegrity(layoutOf(server.app), id)
  expect(files).toBe(manifest.files.length)
  expect(incoming()).toEqual([])
}

test('one server under two names is refused before anything is sent', async () => {
  const { sshd, inputs } = server
  const env = {
    INPUT_HOST: `${sshd.host}:${sshd.port}\n${sshd.host}:${proxy.port}`,
    INPUT_USERNAME: inputs['username'],
    INPUT_KEY: inputs['key'],
    INPUT_FINGERPRINT: sshd.fingerprint,
    INPUT_PATH: server.app,
  }
  const agentFile = join(folder(), 'agent.cjs')
  writeFileSync(agentFile, agentOf(compiled).source)
  const plan = createPlan(readInputs(env), 'next-app')
  const connecting = connect(plan, { agentFile, persist: true }, createPipeline(silentLog))
  expect(await failureOf(connecting)).toMatchObject({ code: 'same-host' })
})

describe('a first upload', () => {
  test('sends what it is asked for where an earlier one was interrupted', async () => {
    const session = await open()
    const manifest = await manifestOf(folder(), contents())
    const uploads = createUploads(layoutOf(server.app))
    const cutOff = await stage(uploads, manifest)
    const [part] = [...contentParts(manifest.files)]
    await uploads.fill(cutOff.id, part!.files.length, part!.content)
    await uploads.abandon()

    const { id, sent } = await upload(session, manifest)
    expect(sent).toMatchObject({ files: 41 - part!.files.length, ofFiles: 41 })
    await expectWhole(id, manifest)
  }, 60_000)

  test('that the server cannot take ends with the server’s word, whatever was under way', async () => {
    const session = await open()
    // Something else stands where `current` belongs.
    mkdirSync(join(server.app, 'current'), { recursive: true })
    const failure = await failureOf(upload(session, await manifestOf(folder(), contents())))
    expect(failure.code).toBe('current-not-a-link')
    expect(existsSync(join(server.app, 'releases')) ? releases() : []).toEqual([])
  }, 60_000)
})

describe('an upload whose connection is lost', () => {
  test('in the middle is resumed: what had arrived is not sent twice, and the row says it', async () => {
    const session = await open()
    const manifest = await manifestOf(folder(), contents())
    proxy.cutAfter(25_000_000)
    const before = proxy.sentBytes()
    let counted = 0
    const { id, sentBytes, sent } = await upload(session, manifest, (bytes) => (counted += bytes))
    expect(counted).toBe(sentBytes)

    // Without it the second session would have sent all 40 MB again. What was in buffers on the way is lost.
    expect(sentBytes).toBeGreaterThan(40_000_000)
    expect(sentBytes).toBeLessThan(63_000_000)
    expect(proxy.sentBytes() - before).toBeLessThan(58_000_000)
    expect(sent).toEqual({ files: 41, bytes: 40_000_002, ofFiles: 41, ofBytes: 40_000_002 })
    const { detail } = session.pipeline.rows.find(({ phase }) => phase === 'upload')!
    const [, arrived] = /the connection was lost, and the upload resumed: (\d+\.\d) MB had arrived/.exec(
      detail,
    )!
    expect(Number(arrived)).toBeGreaterThan(7)
    expect(session.lines).toContain('the connection is back')
    expect(releases()).toEqual([id])
    await expectWhole(id, manifest)
  }, 60_000)

  test('again and again comes to its end all the same', async () => {
    const session = await open()
    const manifest = await manifestOf(folder(), contents())
    const uploading = upload(session, manifest)
    let done = false
    void uploading.finally(() => (done = true))
    for (let cuts = 0; cuts < 3; cuts += 1) {
      const from = proxy.sentBytes()
      proxy.cutAfter(12_000_000)
      await until('it was cut', () => done || proxy.sentBytes() > from + 12_000_000)
      await until('it is back', () => done || session.lines.filter(isBack).length > cuts)
    }
    const { id } = await uploading
    expect(session.lines.filter(isBack)).toHaveLength(3)
    expect(session.pipeline.rows.find(({ phase }) => phase === 'upload')!.detail).toContain('lost 3 times')
    await expectWhole(id, manifest)
  }, 60_000)

  test('with the session that the server still holds: that one is ended, and its id goes on', async () => {
    const session = await open()
    const manifest = await manifestOf(folder(), contents())
    const uploading = upload(session, manifest)
    const id = await until('it has begun', () => incoming().find((name) => /^\d{14}$/.test(name)))
    const directory = join(server.app, '.gapless/incoming', id)
    await until('something came', () => existsSync(join(directory, 'public/15')))
    const [old] = server.agentSessions()
    // The runner hears of the end, and the server does not.
    process.kill(old!, 'SIGSTOP')
    proxy.freeze()
    proxy.cutClients()
    expect((await uploading).id).toBe(id)
    expect(server.agentSessions()).not.toContain(old)
    await expectWhole(id, manifest)
  }, 60_000)

  test('fails at once for what no other try would mend', async () => {
    const session = await open()
    const manifest = await manifestOf(folder(), contents())
    rmSync(manifest.files.at(-1)!.source)
    expect(await failureOf(upload(session, manifest))).toMatchObject({
      code: 'file-unreadable',
    })
    expect(session.lines.filter(isBack)).toEqual([])
  }, 60_000)
})

/** The most memory that a process has had, in bytes. */
function peakOf(pid: number): number {
  const [, kilobytes = '0'] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

const thorough = process.env['GAPLESS_TEST_ALL'] === undefined ? test.skip : test
thorough(
  'a tree of 50,000 files comes whole, for little memory on the server, and costs nothing the second time',
  async () => {
    const session = await open()
    const files = Array.from({ length: 50_000 }, (_, index) => [
      `node_modules/package-${index % 500}/lib/${index}.js`,
      `exports.number = ${index}\n`.repeat(1 + (index % 100)),
    ])
    const manifest = await manifestOf(folder(), { 'server.js': '//', ...Object.fromEntries(files) })
    const first = await upload(session, manifest)
    const [agent] = server.agentSessions().map(peakOf)
    expect(agent).toBeLessThan(200_000_000)
    await expectWhole(first.id, manifest)
    for (const host of hosts) host.close()

    const second = await upload(await open(), manifest)
    expect(second.sent).toMatchObject({ files: 0, ofFiles: 50_001 })
    await expectWhole(second.id, manifest)
  },
  300_000,
)

const isBack = (line: string) => line === 'the connection is back'
const releases = () => readdirSync(join(server.app, 'releases'))
