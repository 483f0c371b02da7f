import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
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
import { findings, type Wanted } from '../../src/phases/findings.ts'
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

const pm2Package = (version: string) => JSON.stringify({ name: 'pm2', version }, null, 2)
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
    bundleOf('7.0.4', {
      'node_modules/pm2/bin/pm2': '',
      'node_modules/pm2/package.json': pm2Package('7.0.4'),
    }),
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
    rmSync(join(path, name), { force: true })
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
        pm2: seen.pm2.filter(inHome),
      })
    },
    run: (script, options) => runScript(shell(), script, options),
    agent: () => Promise.reject(new Error('not here')),
  }
}

const setUp = async (host: BareHost, version = '24', needs: Wanted['nodeNeeds'] = []) => {
  const pipeline = createPipeline(silentLog)
  await setUpHost(host, fetched, version, pipeline, needs)
  return Object.fromEntries(pipeline.rows.map(({ phase, detail }) => [phase, detail]))
}
const wanted = (nodeNeeds: Wanted['nodeNeeds'] = []) => ({
  workers: 2,
  now: Date.now(),
  port: 3000,
  nodeNeeds,
})
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

/** A crontab in a file, and what `crontab -l` says where there is none. */
const cron = (missing: string) => ({
  crontab: `f="$HOME/crontab"; case "$1" in -l) [ -e "$f" ] && exec cat "$f"; echo "${missing}" >&2; exit 1 ;; *) cp "$1" "$f" ;; esac`,
  cp: 'exec /bin/cp "$@"',
})
/** What the probe of this machine may see. */
const asFound = (seen: Probe): Probe => ({ ...seen, boot: seen.boot.endsWith('gapless') ? seen.boot : '' })

describe('where cron starts PM2 at boot', () => {
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

describe('where systemd starts PM2 at boot', () => {
  /** They write down how they are called. @param fails the call that does */
  const systemd = (fails = 'nothing') => ({
    systemctl: `echo "systemctl $*" >>"$HOME/calls"; case "$*" in *"${fails}"*) exit 1 ;; esac`,
    loginctl: `echo "loginctl $*" >>"$HOME/calls"; case "$*" in *"${fails}"*) exit 1 ;; esac`,
  })
  const calls = () => readFileSync(join(home, 'calls'), 'utf8').split('\n').filter(Boolean)
  const unit = () => join(home, '.config/systemd/user/gapless-pm2.service')
  beforeEach(() => {
    home = folder()
  })

  test('enables a user unit, which names what setup brought by its lasting name', async () => {
    expect(await setUp(hostAt(asFound, systemd()))).toMatchObject({
      'setup-boot': expect.stringContaining('a user unit starts PM2 at boot'),
    })
    const user = execFileSync('id', ['-un'], { encoding: 'utf8' }).trim()
    // The probe asks first.
    expect(calls().slice(-5)).toEqual([
      'systemctl --user show-environment',
      `loginctl enable-linger ${user}`,
      'systemctl --user daemon-reload',
      'systemctl --user enable gapless-pm2.service',
      'systemctl --user start --no-block gapless-pm2.service',
    ])
    const text = readFileSync(unit(), 'utf8')
    expect(text).toContain(`ExecStart="${runtime()}/bin/node" "${runtime()}/bin/pm2" resurrect`)
    expect(text).toContain('KillMode=process')
  }, 60_000)

  test('brings the unit up to date once the Node that it names is another', async () => {
    const want = join(home, '.config/systemd/user/default.target.wants')
    mkdirSync(want, { recursive: true })
    writeFileSync(unit(), '[Service]\nExecStart="/gone/node" "/gone/pm2" resurrect\n')
    symlinkSync(unit(), join(want, 'gapless-pm2.service'))
    const seen = (found: Probe): Probe => ({ ...found, boot: join(want, 'gapless-pm2.service') })
    await setUp(hostAt(seen, systemd()))
    expect(readFileSync(unit(), 'utf8')).toContain(`ExecStart="${runtime()}/bin/node"`)
    const before = calls().length
    await setUp(hostAt(seen, systemd()))
    // An unchanged one is not loaded again.
    expect(calls().slice(before)).not.toContain('systemctl --user daemon-reload')
  }, 60_000)

  test('names no version where PM2 runs on an earlier one that setup brought', async () => {
    const earlier = { path: `${runtime()}/node/22.0.0/bin/node`, version: '22.0.0', isSet: false }
    await setUp(hostAt((found) => ({ ...found, nodes: [earlier, ...found.nodes] }), systemd()))
    expect(readFileSync(unit(), 'utf8')).toContain(`ExecStart="${runtime()}/bin/node"`)
    expect(readFileSync(unit(), 'utf8')).not.toContain('22.0.0')
  }, 60_000)

  test.each(['dump.pm2', 'rpc.sock'])(
    'does not start PM2 where there is a %s',
    async (file) => {
      mkdirSync(join(home, '.pm2'), { recursive: true })
      writeFileSync(join(home, '.pm2', file), '')
      await setUp(hostAt(asFound, systemd()))
      expect(calls().at(-1)).toBe('systemctl --user enable gapless-pm2.service')
    },
    60_000,
  )

  test.each(['enable gapless-pm2', 'enable-linger', 'daemon-reload'])(
    'takes cron where `%s` fails, and leaves no unit behind',
    async (fails) => {
      const programs = { ...systemd(fails), ...cron('no crontab for deploy') }
      expect(await setUp(hostAt(asFound, programs))).toMatchObject({
        'setup-boot': expect.stringContaining('`@reboot` in crontab'),
      })
      expect(readFileSync(join(home, 'crontab'), 'utf8')).toMatch(/^@reboot .* # gapless\n$/)
      expect(existsSync(unit())).toBe(false)
    },
    60_000,
  )

  test('takes its line out of the crontab once a unit does it', async () => {
    writeFileSync(join(home, 'crontab'), '0 4 * * * backup\n@reboot old pm2 resurrect # gapless\n')
    await setUp(hostAt(asFound, { ...systemd(), ...cron('') }))
    expect(readFileSync(join(home, 'crontab'), 'utf8')).toBe('0 4 * * * backup\n')
  }, 60_000)

  test('leaves a unit of root’s as it is, and says so where it names what is gone', async () => {
    const found = { boot: '/etc/systemd/system/pm2-deploy.service', bootLacks: '/gone/pm2' }
    const details = await setUp(hostAt((seen) => ({ ...seen, ...found }), systemd()))
    expect(details['setup-boot']).toMatch(/pm2-deploy\.service, but \/gone\/pm2 is not there/)
    expect(calls()).not.toContain('systemctl --user daemon-reload')
    const rows = findings({ ...(await hostAt().look()), ...found }, wanted())
    expect(rows.find(({ what }) => what === 'Start at boot')).toMatchObject({ level: 'doubt' })
  }, 60_000)
})

describe('where there are several', () => {
  const pm2 = (path: string, version: string) => {
    const package_ = join(home, path, 'lib/node_modules/pm2')
    mkdirSync(join(package_, 'bin'), { recursive: true })
    mkdirSync(join(home, path, 'bin'), { recursive: true })
    writeFileSync(join(package_, 'package.json'), pm2Package(version))
    writeFileSync(join(package_, 'bin/pm2'), '')
    symlinkSync('../lib/node_modules/pm2/bin/pm2', join(home, path, 'bin/pm2'))
  }
  const nvm = '.nvm/versions/node'

  test('the Node that fits Next.js counts, not the one that is found first', async () => {
    node('n/bin/node', '18.20.0')
    node(`${nvm}/v22.1.0/bin/node`, '22.1.0')
    const host = hostAt()
    expect(usableNode(await host.look())).toMatchObject({ version: '22.1.0' })
    expect(await setUp(host)).toMatchObject({
      'setup-node': expect.stringContaining('the server has Node 22.1.0'),
    })
  }, 60_000)

  test('a Node that the app itself cannot use does not fit', async () => {
    node(`${nvm}/v20.11.0/bin/node`, '20.11.0')
    const needs = [{ who: 'the app', range: '>=22' }]
    expect(await setUp(hostAt(), '24', needs)).toMatchObject({
      'setup-node': expect.stringContaining('brought Node 24.9.0'),
    })
  }, 60_000)

  test('a Node that is too old for Next.js alone is doubtful, and too old for the app is a failure', async () => {
    node('n/bin/node', '18.20.0')
    const seen = await hostAt().look()
    const row = (needs?: Wanted['nodeNeeds']) =>
      findings(seen, wanted(needs)).find(({ what }) => what === 'Node.js')
    expect(row()).toMatchObject({ level: 'doubt', value: expect.stringContaining('20.9') })
    expect(row([{ who: 'Next.js 15', range: '>=18.18.0' }])).toMatchObject({ level: 'ok' })
    expect(row([{ who: 'Next.js 16', range: '>=20.9.0' }])).toMatchObject({ level: 'fail' })
    expect(await setUp(hostAt())).toMatchObject({
      'setup-node': expect.stringContaining('brought Node 24.9.0'),
    })
  }, 60_000)

  test('a PM2 beside a Node that is too old is none, and neither is one that is too old itself', async () => {
    node(`${nvm}/v16.20.2/bin/node`, '16.20.2')
    pm2(`${nvm}/v16.20.2`, '6.0.14')
    pm2('.local', '4.5.6')
    const row = findings(await hostAt().look(), wanted()).find(({ what }) => what === 'PM2')
    expect(row).toMatchObject({ level: 'fail', value: expect.stringContaining('beside Node 16.20.2') })
    expect(await setUp(hostAt())).toMatchObject({
      'setup-pm2': expect.stringContaining('brought PM2 7.0.4'),
    })
  }, 60_000)

  test('of two PM2s the one that can be used counts', async () => {
    pm2('n', '4.5.6')
    pm2('.local', '6.0.14')
    expect(await setUp(hostAt())).toMatchObject({
      'setup-pm2': expect.stringContaining('the server has PM2 6.0.14'),
    })
  }, 60_000)
})

test.each([
  ['No space left on device', 'the disk is full'],
  ['Disk quota exceeded', 'the disk is full'],
  ['Read-only file system', 'the home is mounted read-only'],
  ['Permission denied', 'is not writable'],
])(
  'where a folder cannot be made (%s), says why',
  async (problem, words) => {
    const mkdir = `echo "mkdir: cannot create directory '$1': ${problem}" >&2; exit 1`
    const failure = await failureOf(
      setUpHost(hostAt(undefined, { mkdir }), fetched, '24', createPipeline(silentLog)),
    )
    expect(failure).toMatchObject({ code: 'setup-failed', message: expect.stringContaining(words) })
  },
  60_000,
)

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
    const rows = findings(await host.look(), wanted())
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
  const rows = findings(await hostAt().look(), wanted())
  expect(readdirSync(home)).toEqual([])
  const failed = rows.filter(({ level }) => level === 'fail').map(({ what }) => what)
  expect(failed).toEqual(expect.arrayContaining(['Node.js', 'PM2']))
  expect(rows.find(({ what }) => what === 'System')?.value).toContain('Linux')
}, 60_000)
