import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { compile } from '../support/compile.ts'
import { temporaryFolders } from '../support/folder.ts'
import { nodeBinary } from '../../scripts/node-version.mjs'
import { ask, makeRelease, startWorker, type Worker } from './fake-release.ts'

/** Each has its own way to add certificates, or not to. */
const NODES = process.env['GAPLESS_TEST_ALL'] === '1' ? ['18', '20', '22', '24'] : ['current']
/** `current` is 20, 22 or 24. */
const hasCompileCache = (node: string) =>
  Number.parseInt(node === 'current' ? process.versions.node : node, 10) >= 22

const folder = temporaryFolders()
const workers: Worker[] = []
let compiled: string
let certificates: string

beforeAll(() => {
  compiled = compile()
  certificates = folder()
  for (const [name, key] of [
    ['cert', 'key'],
    ['other', 'other-key'],
  ]) {
    const request = `req -x509 -newkey rsa:2048 -nodes -keyout ${key}.pem -out ${name}.pem -days 30 -subj /CN=${name}`
    execFileSync('openssl', [...request.split(' '), '-addext', 'subjectAltName=DNS:localhost'], {
      cwd: certificates,
      stdio: 'pipe',
    })
  }
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
afterEach(async () => {
  for (const { child, exit } of workers.splice(0)) {
    child.kill('SIGKILL')
    await exit
  }
})

/** What the app sees, in its main thread and in a worker thread. */
const LOOK = `
const { isMainThread, parentPort, Worker } = require('node:worker_threads')
const https = require('node:https')
const answered = (url, options) => new Promise((resolve) => {
  https.get(url, { agent: false, ...options }, (answer) => resolve(answer.resume() && 'ok')).on('error', ({ code }) => resolve(code))
})
async function look(url) {
  const get = await answered(url)
  return {
    get,
    again: await answered(url),
    ownContext: await answered(url, { minVersion: 'TLSv1.2' }),
    otherAuthority: await answered(url, { ca: require('node:tls').rootCertificates[0] }),
    fetch: await fetch(url).then(() => 'ok', ({ cause }) => cause.code),
    known: require('node:tls').rootCertificates.length > 100,
    zone: new Date(0).getTimezoneOffset(),
    module: (() => { try { return require('from-node-path') } catch ({ code }) { return code } })(),
    cache: require('node:module').getCompileCacheDir?.() ?? null,
  }
}
`
const APP = `${LOOK}
const fs = require('node:fs')
if (!isMainThread) {
  look(require('node:worker_threads').workerData).then((seen) => parentPort.postMessage(seen))
} else {
  const pem = (name) => fs.readFileSync(process.env.CERTIFICATES + '/' + name)
  const secure = https.createServer({ key: pem('key.pem'), cert: pem('cert.pem') }, (_, response) => response.end('secret'))
  secure.listen(0, () => {
    const url = 'https://localhost:' + secure.address().port
    require('node:http').createServer(async (request, response) => {
      if (request.url !== '/look') return response.end('healthy')
      const thread = new Promise((resolve) => new Worker(__filename, { workerData: url }).once('message', resolve))
      response.end(JSON.stringify({ main: await look(url), thread: await thread }))
    }).listen(process.env.PORT)
  })
}
`

async function seenBy(
  node: string,
  env: Readonly<Record<string, string>>,
  candidate: boolean,
  nodeOptions: readonly string[] = [],
) {
  const release = await makeRelease(folder(), compiled, {
    runtime: { env: { CERTIFICATES: certificates, ...env } },
    server: APP,
    files: { 'own.pem': readFileSync(join(certificates, 'cert.pem'), 'utf8') },
  })
  const worker = startWorker(release, {
    candidate,
    nodeOptions,
    node: node === 'current' ? process.execPath : nodeBinary(node),
  })
  workers.push(worker)
  const { doorPort } = await worker.in('open')
  const seen = JSON.parse((await ask(doorPort, '/look')).body) as Record<'main' | 'thread', object>
  return { ...seen, output: worker.output(), release }
}

describe.each(NODES)('in Node %s, a candidate and a worker', (node) => {
  const roles = [true, false]

  test('trust no certificate of their own without NODE_EXTRA_CA_CERTS', async () => {
    for (const candidate of roles) {
      const { main } = await seenBy(node, {}, candidate)
      const refused = 'DEPTH_ZERO_SELF_SIGNED_CERT'
      expect(main).toMatchObject({ get: refused, fetch: refused, module: 'MODULE_NOT_FOUND', known: true })
    }
  })

  test('take NODE_EXTRA_CA_CERTS, TZ and NODE_COMPILE_CACHE from the release', async () => {
    for (const candidate of roles) {
      const env = { NODE_EXTRA_CA_CERTS: './own.pem', TZ: 'Asia/Tokyo', NODE_COMPILE_CACHE: './cache' }
      const { main, thread, output, release } = await seenBy(node, env, candidate)
      const trusting = {
        get: 'ok',
        again: 'ok',
        ownContext: 'ok',
        // Who names an authority wants no other.
        otherAuthority: 'DEPTH_ZERO_SELF_SIGNED_CERT',
        fetch: 'ok',
        known: true,
        zone: -540,
      }
      expect(main).toMatchObject(trusting)
      expect(thread).toMatchObject(trusting)
      expect(output).not.toContain('Ignoring')
      // Node has it from 22 on.
      const cache = hasCompileCache(node) ? expect.stringContaining(join(release.directory, 'cache')) : null
      expect(main).toMatchObject({ cache })
    }
  })

  test('start with a certificate file that cannot be read, and say so as Node does', async () => {
    const { main, output } = await seenBy(node, { NODE_EXTRA_CA_CERTS: '/nowhere.pem' }, false)
    expect(main).toMatchObject({ get: 'DEPTH_ZERO_SELF_SIGNED_CERT', known: true })
    expect(output).toContain('Ignoring extra certs from `/nowhere.pem`, load failed: ENOENT')
  })

  test('trust SSL_CERT_FILE with --use-openssl-ca, and NODE_EXTRA_CA_CERTS beside it', async () => {
    const [own, none] = [join(certificates, 'cert.pem'), '/nowhere.pem']
    for (const candidate of roles) {
      for (const [SSL_CERT_FILE, extra] of [
        [own, {}],
        [own, { NODE_EXTRA_CA_CERTS: join(certificates, 'other.pem') }],
        [none, { NODE_EXTRA_CA_CERTS: own }],
      ] as const) {
        const { main } = await seenBy(node, { SSL_CERT_FILE, ...extra }, candidate, ['--use-openssl-ca'])
        expect(main).toMatchObject({ get: 'ok', again: 'ok', fetch: 'ok' })
      }
    }
  }, 60_000)

  test('find modules by NODE_PATH', async () => {
    const outside = folder()
    mkdirSync(join(outside, 'from-node-path'))
    writeFileSync(join(outside, 'from-node-path/index.js'), `module.exports = 'found'`)
    for (const candidate of roles) {
      const { main } = await seenBy(node, { NODE_PATH: outside }, candidate)
      expect(main).toMatchObject({ module: 'found' })
    }
  })
})
