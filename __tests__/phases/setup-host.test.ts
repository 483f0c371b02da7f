import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { runScript } from '../../src/agent-client/script.ts'
import type { BareHost } from '../../src/hosts/bare.ts'
import { type Probe, probe, usableNode } from '../../src/hosts/probe.ts'
import type { Bundle, Fetched } from '../../src/next/runtime-packages.ts'
import { findings } from '../../src/phases/findings.ts'
import { setUpHost } from '../../src/phases/setup-host.ts'
import { createPipeline } from '../../src/pipeline.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { localShell, type LocalShell } from '../support/local-shell.ts'
import { silentLog } from '../support/log.ts'

/** No process has this number. */
const NOBODY = 999_999_999
const folder = temporaryFolders()
const shells: LocalShell[] = []
let home: string
beforeEach(() => {
  home = join(folder(), 'a $home')
  mkdirSync(home)
})
afterEach(() => {
  for (const shell of shells.splice(0)) shell.kill()
})

const fakeNode = (version: string) =>
  `#!/bin/sh\ncase "$*" in *process.versions.node*) echo ${version} ;; *) echo v${version} ;; esac\n`

/** A gzipped tar with these files, which can be run. */
function bundleOf(version: string, files: Readonly<Record<string, string>>): Bundle {
  const from = folder()
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(from, name, '..'), { recursive: true })
    writeFileSync(join(from, name), text)
    chmodSync(join(from, name), 0o755)
  }
  const file = join(folder(), 'packed.tgz')
  execFileSync('tar', ['-czf', file, '-C', from, ...readdirSync(from)])
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex')
  return { version, file, bytes: statSync(file).size, sha256 }
}

const nodes = { '22': '22.9.0', '24': '24.9.0' } as Readonly<Record<string, string>>
const fetched: Fetched = {
  node: async (_arch, wanted) =>
    bundleOf(nodes[wanted]!, { 'package/bin/node': fakeNode(nodes[wanted]!), 'package/include/node.h': 'x' }),
  pm2: async () =>
    bundleOf('7.0.4', { 'node_modules/pm2/bin/pm2': '', 'node_modules/pm2/package.json': '{}' }),
  remove: () => undefined,
}

/** A PATH without Node and without anything that starts at boot. */
function tools(): string {
  const bin = folder()
  const names = [
    'cat',
    'chmod',
    'date',
    'dd',
    'df',
    'grep',
    'gzip',
    'head',
    'id',
    'ln',
    'ls',
    'mkdir',
    'mv',
    'printenv',
    'readlink',
    'rm',
    'sed',
    'sh',
    'sha256sum',
    'sync',
    'tail',
    'tar',
    'timeout',
    'tr',
    'uname',
    'wc',
    'getconf',
  ]
  for (const name of names) {
    const found = [`/usr/bin/${name}`, `/bin/${name}`].find((file) => existsSync(file))
    if (found !== undefined) symlinkSync(found, join(bin, name))
  }
  return bin
}

/** @param change of what is seen, as if it ran in another place @param programs more of them, by name */
function hostAt(
  change: (probe: Probe) => Probe = (seen) => seen,
  programs: Readonly<Record<string, string>> = {},
): BareHost {
  const path = tools()
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(path, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(path, name), 0o755)
  }
  const shell = () => {
    const opened = localShell({ env: { HOME: home, PATH: path, SHELL: '/bin/sh' } })
    shells.push(opened)
    return opened
  }
  return {
    name: null,
    look: async () => {
      const seen = await probe(shell(), { binPath: [], path: 'apps/web', port: 3000 }, 20_000)
      // This machine's own.
      const inHome = ({ path: file }: { path: string }) => file.startsWith(home)
      return change({
        ...seen,
        nodes: seen.nodes.filter(inHome),
        pm2: seen.pm2.filter((file) => file.startsWith(home)),
      })
    },
    run: (script, options) => runScript(shell(), script, options),
    agent: () => Promise.reject(new Error('not here')),
  }
}

const setUp = async (host: BareHost, version = '24') => {
  const pipeline = createPipeline(silentLog)
  await setUpHost(host, fetched, version, pipeline)
  return Object.fromEntries(pipeline.rows.map(({ phase, detail }) => [phase, detail]))
}
const runtime = () => join(home, '.gapless/runtime')
const node = (path: string, version: string) => {
  mkdirSync(join(home, path, '..'), { recursive: true })
  writeFileSync(join(home, path), fakeNode(version))
  chmodSync(join(home, path), 0o755)
}

test('brings Node and PM2 where there is none, and nothing the second time', async () => {
  const host = hostAt()
  expect(await setUp(host)).toMatchObject({
    'setup-node': expect.stringContaining('brought Node 24.9.0'),
    'setup-pm2': expect.stringContaining('brought PM2 7.0.4'),
  })
  expect(readlinkSync(join(runtime(), 'bin/node'))).toBe('../node/24.9.0/bin/node')
  expect(existsSync(join(runtime(), 'bin/pm2'))).toBe(true)
  // The headers are no part of a runtime.
  const seen = await host.look()
  expect(usableNode(seen)).toMatchObject({ version: '24.9.0' })
  expect(await setUp(host)).toMatchObject({
    'setup-node': 'Node 24.9.0 is there',
    'setup-pm2': expect.stringContaining('the server has PM2'),
  })
}, 60_000)

test('another node-version comes beside the first', async () => {
  const host = hostAt()
  await setUp(host, '22')
  await setUp(host, '24')
  expect(readdirSync(join(runtime(), 'node')).toSorted()).toEqual(['22.9.0', '24.9.0'])
  expect(readlinkSync(join(runtime(), 'bin/node'))).toContain('24.9.0')
}, 60_000)

test.each([
  [
    'prefers an nvm with a Node that fits',
    '.nvm/versions/node/v22.1.0/bin/node',
    '22.1.0',
    'the server has Node 22.1.0',
  ],
  ['brings Node beside an old one', '.nvm/versions/node/v16.20.2/bin/node', '16.20.2', 'brought Node 24.9.0'],
])(
  '%s',
  async (_name, path, version, detail) => {
    node(path, version)
    const before = readFileSync(join(home, path), 'utf8')
    expect(await setUp(hostAt())).toMatchObject({ 'setup-node': expect.stringContaining(detail) })
    expect(readFileSync(join(home, path), 'utf8')).toBe(before)
  },
  60_000,
)

test('begins again after what an interrupted run left', async () => {
  mkdirSync(join(runtime(), `.new-node-${NOBODY}/package/bin`), { recursive: true })
  mkdirSync(join(runtime(), 'node/24.9.0'), { recursive: true })
  mkdirSync(join(runtime(), 'bin'))
  symlinkSync('../node/24.9.0/bin/node', join(runtime(), 'bin/node'))
  expect(await setUp(hostAt())).toMatchObject({ 'setup-node': expect.stringContaining('brought Node') })
  expect(readdirSync(runtime()).toSorted()).toEqual(['bin', 'node', 'pm2'])
}, 60_000)

test('leaves another run alone that is at work beside it', async () => {
  const other = `.new-node-${process.pid}`
  mkdirSync(join(runtime(), other), { recursive: true })
  expect(await setUp(hostAt())).toMatchObject({ 'setup-node': expect.stringContaining('brought Node') })
  expect(readdirSync(runtime())).toContain(other)
}, 60_000)

describe('where cron starts PM2 at boot', () => {
  /** A crontab in a file, and what `crontab -l` says where there is none. */
  const cron = (missing: string) => ({
    crontab: `f="$HOME/crontab"; case "$1" in -l) [ -e "$f" ] && exec cat "$f"; echo "${missing}" >&2; exit 1 ;; *) cp "$1" "$f" ;; esac`,
    cp: 'exec /bin/cp "$@"',
  })
  const asFound = (seen: Probe): Probe => ({ ...seen, boot: '' })
  // A home with `$` has none: see below.
  beforeEach(() => {
    home = folder()
  })

  test.each(['no crontab for deploy', "crontab: can't open 'deploy': No such file or directory"])(
    'adds its line to none (%s), and replaces it the next time',
    async (missing) => {
      const host = hostAt(asFound, cron(missing))
      for (let times = 0; times < 2; times += 1)
        expect(await setUp(host)).toMatchObject({ 'setup-boot': expect.stringContaining('`@reboot`') })
      const lines = readFileSync(join(home, 'crontab'), 'utf8').split('\n').filter(Boolean)
      expect(lines).toEqual([expect.stringMatching(/^@reboot PM2_HOME=.* resurrect # gapless$/)])
    },
    60_000,
  )

  test('keeps the lines of the user', async () => {
    writeFileSync(join(home, 'crontab'), '0 4 * * * backup\n')
    await setUp(hostAt(asFound, cron('')))
    expect(readFileSync(join(home, 'crontab'), 'utf8')).toMatch(/^0 4 \* \* \* backup\n@reboot /)
  }, 60_000)

  test('writes nothing where the lines of the user cannot be read', async () => {
    const programs = {
      crontab: 'case "$1" in -l) echo "I/O error" >&2; exit 1 ;; *) : >"$HOME/written" ;; esac',
    }
    expect(await setUp(hostAt(asFound, programs))).toMatchObject({
      'setup-boot': expect.stringContaining('nothing starts PM2 at boot yet'),
    })
    expect(existsSync(join(home, 'written'))).toBe(false)
  }, 60_000)
})

test('does not keep a Node that does not run on the server', async () => {
  const broken = {
    ...fetched,
    node: async () => bundleOf('24.9.0', { 'package/bin/node': '#!/bin/sh\nexit 1\n' }),
  }
  const failure = await failureOf(setUpHost(hostAt(), broken, '24', createPipeline(silentLog)))
  expect(failure).toMatchObject({
    code: 'setup-failed',
    message: expect.stringContaining('does not run there'),
  })
  expect(readdirSync(join(runtime(), 'bin'))).toEqual([])
  expect(readdirSync(join(runtime(), 'node'))).toEqual([])
}, 60_000)

test('does not keep what arrived damaged', async () => {
  const damaged = {
    ...fetched,
    node: async () => ({ ...(await fetched.node('x64', '24')), sha256: 'a'.repeat(64) }),
  }
  const failure = await failureOf(setUpHost(hostAt(), damaged, '24', createPipeline(silentLog)))
  expect(failure.message).toContain('arrived incomplete')
  expect(readdirSync(runtime()).toSorted()).toEqual(['bin', 'node'])
}, 60_000)

describe('says the truth about', () => {
  test('musl: no Node is brought, and the remedy is one root command', async () => {
    const host = hostAt((seen) => ({ ...seen, libc: 'musl' }))
    const failure = await failureOf(setUpHost(host, fetched, '24', createPipeline(silentLog)))
    expect(failure).toMatchObject({
      code: 'setup-failed',
      remedy: expect.stringContaining('apk add nodejs npm'),
    })
    const rows = findings(await host.look(), { workers: 2, now: Date.now() })
    expect(rows).toContainEqual(
      expect.objectContaining({ what: 'Node.js', level: 'fail', remedy: expect.stringContaining('apk add') }),
    )
  }, 60_000)

  test.each([
    ['x86_64', 'x64'],
    ['aarch64', 'arm64'],
  ])(
    '%s, for which Node %s is fetched',
    async (machine, arch) => {
      const asked: string[] = []
      const spy = {
        ...fetched,
        node: (name: string, version: string) => (asked.push(name), fetched.node(name, version)),
      }
      await setUpHost(
        hostAt((seen) => ({ ...seen, machine })),
        spy,
        '24',
        createPipeline(silentLog),
      )
      expect(asked).toEqual([arch])
    },
    60_000,
  )

  test('riscv64, for which there is no Node', async () => {
    const host = hostAt((seen) => ({ ...seen, machine: 'riscv64' }))
    const failure = await failureOf(setUpHost(host, fetched, '24', createPipeline(silentLog)))
    expect(failure.message).toContain('riscv64 is not supported')
  }, 60_000)
})

test('the probe changes nothing, and fails where Node and PM2 are missing', async () => {
  const rows = findings(await hostAt().look(), { workers: 2, now: Date.now() })
  expect(readdirSync(home)).toEqual([])
  const failed = rows.filter(({ level }) => level === 'fail').map(({ what }) => what)
  expect(failed).toEqual(expect.arrayContaining(['Node.js', 'PM2']))
  expect(rows.find(({ what }) => what === 'System')?.value).toContain('Linux')
}, 60_000)
