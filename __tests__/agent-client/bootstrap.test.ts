import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { ServerFacts } from '../../src/protocol/messages.ts'
import { openAgent } from '../../src/agent-client/agent-session.ts'
import type { Bootstrap } from '../../src/agent-client/bootstrap.ts'
import { agentOf } from '../support/agent.ts'
import { compile } from '../support/compile.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { type LocalShell, localShell, type LocalShellOptions } from '../support/local-shell.ts'

const TIMEOUT = 10_000
const folder = temporaryFolders()
let compiled: string
let home: string
const shells: LocalShell[] = []

beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
beforeEach(() => {
  home = folder()
})
afterEach(() => {
  for (const shell of shells.splice(0)) shell.kill()
})

const own = () => join(home, 'apps/site/.gapless')

/** A PATH without Node: on most systems /bin is /usr/bin, and has one. */
function noNodeOnPath(): string {
  const tools = folder()
  for (const name of ['cat', 'readlink', 'id', 'hostname']) symlinkSync(`/bin/${name}`, join(tools, name))
  return tools
}

interface Session {
  readonly shell: LocalShell
  readonly facts: ServerFacts
}

function login(options: Partial<LocalShellOptions> = {}): LocalShell {
  const { env = {}, ...rest } = options
  const shell = localShell({ ...rest, env: { HOME: home, PATH: dirname(process.execPath), ...env } })
  shells.push(shell)
  return shell
}

/** Starts the agent in a session and has it look at the server. */
async function start(
  agent: Partial<Omit<Bootstrap, 'source'>> = {},
  options: Partial<LocalShellOptions> = {},
): Promise<Session> {
  const shell = login(options)
  const session = await openAgent(shell, agentOf(compiled, agent), TIMEOUT)
  return { shell, facts: await session.call('inspect', {}) }
}

/** A server whose system folders have no Node, unlike those of the machine that runs this test. */
const noSystemNode = (command: string) =>
  command.replace(/ \/((?:usr|opt|home|snap)\/[^ ;]*node)(?=[ ;])/g, ' /nowhere/$1')

const bin = (binPath: readonly string[]) => ({ options: { appName: 'site', binPath } })

function makeNode(directory: string): string {
  mkdirSync(directory, { recursive: true })
  symlinkSync(process.execPath, join(directory, 'node'))
  return directory
}

/** A `node` that knows its version and nothing else, or not even that. */
function makeOldNode(directory: string, version?: string): string {
  mkdirSync(directory, { recursive: true })
  const answer = version === undefined ? 'exit 1' : `[ "$1" = -p ] && echo ${version}`
  writeFileSync(join(directory, 'node'), `#!/bin/sh\n${answer}\n`)
  chmodSync(join(directory, 'node'), 0o755)
  return directory
}

describe('the login shell', () => {
  const noise = 'echo "Welcome. * * * {json} gapless-not-this ready"; cat /nowhere/moaning'
  /** Each shell with what it reads at the start of a command, as sshd runs it. */
  const candidates: readonly [string, string, Readonly<Record<string, string>>][] = [
    ['sh', '.profile', {}],
    ['dash', '.profile', {}],
    ['bash', '.bashrc', { BASH_ENV: '~/.bashrc' }],
    ['zsh', '.zshenv', {}],
    ['fish', '.config/fish/config.fish', {}],
    ['tcsh', '.tcshrc', {}],
  ]

  test.each(candidates)(
    '%s starts the agent, with a folder of any name, past a chatty %s',
    async (name, rc, env) => {
      const shell = find(name)
      if (shell === undefined) return console.warn(`${name} is not installed: it was not tried`)
      mkdirSync(dirname(join(home, rc)), { recursive: true })
      writeFileSync(join(home, rc), `${noise}\n`)
      const odd = makeNode(join(home, 'it\'s $HOME "quoted" `id` !! %s \\n;*[a] (ü)'))

      const { shell: session, facts } = await start(bin([odd]), {
        shell,
        env: { ...env, PATH: noNodeOnPath() },
        edit: noSystemNode,
      })
      expect(facts).toMatchObject({ path: join(home, 'apps/site'), node: process.versions.node })
      expect(facts.searched).toContain(odd)
      // sh and dash read nothing for a command.
      if (name !== 'sh' && name !== 'dash') expect(session.output()).toContain('Welcome.')
    },
  )

  test('that is no shell is reported with what it said', async () => {
    const nologin = join(home, 'nologin')
    writeFileSync(nologin, '#!/bin/sh\necho This account is currently not available.\nexit 1\n')
    chmodSync(nologin, 0o755)
    const opening = openAgent(login({ shell: nologin }), agentOf(compiled), TIMEOUT)
    expect(await failureOf(opening)).toMatchObject({
      code: 'no-shell',
      evidence: expect.stringContaining('This account is currently not available.'),
    })
  })

  function find(name: string): string | undefined {
    const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/bin', '/usr/bin']
    return folders.map((each) => join(each, name)).find((file) => existsSync(file))
  }
})

describe('Node is found', () => {
  const bare = () => ({ env: { PATH: noNodeOnPath() }, edit: noSystemNode })

  test('on the PATH', async () => {
    const { facts } = await start({}, { env: { PATH: makeNode(join(home, 'on path')) }, edit: noSystemNode })
    expect(facts.node).toBe(process.versions.node)
  })

  describe('where only the user’s login shell has it on the PATH', () => {
    const rc = (...lines: readonly string[]) => writeFileSync(join(home, '.bash_profile'), lines.join('\n'))
    const withShell = () => {
      const tools = noNodeOnPath()
      for (const name of ['timeout', 'sed', 'printenv', 'sleep'])
        symlinkSync(`/usr/bin/${name}`, join(tools, name))
      return { env: { PATH: tools, SHELL: '/bin/bash' }, edit: noSystemNode }
    }

    test('and which prints what it likes', async () => {
      const odd = makeNode(join(home, 'an odd * place'))
      // Before the folders of /etc/profile, which may have a Node of their own.
      rc('echo PATH=/nowhere; echo Welcome', `export PATH="${odd}:$PATH"`, 'trap "echo Goodbye" EXIT')
      const { facts } = await start({}, withShell())
      expect(facts.node).toBe(process.versions.node)
    })

    test('and PM2 too', async () => {
      const folder = makeNode(join(home, 'panel/bin'))
      const root = join(home, 'panel/lib/node_modules/pm2')
      mkdirSync(join(root, 'bin'), { recursive: true })
      writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'pm2', version: '7.0.4' }))
      symlinkSync('../lib/node_modules/pm2', join(folder, 'pm2'))
      rc('echo Welcome', `export PATH="$PATH:${folder}"`)
      const elsewhere = makeNode(join(home, 'elsewhere'))
      const options = withShell()
      for (const path of [options.env.PATH, `${options.env.PATH}:${elsewhere}`]) {
        const { facts } = await start({}, { ...options, env: { ...options.env, PATH: path } })
        expect(facts.pm2).toMatchObject({ version: '7.0.4', path: root })
      }
    })

    test('unless that never ends: the usual places are searched then', async () => {
      makeNode(join(home, 'n/bin'))
      rc('sleep 60')
      const { facts } = await start({}, withShell())
      expect(facts.node).toBe(process.versions.node)
    }, 60_000)
  })

  test('in a folder below the home that the user named by ~', async () => {
    makeNode(join(home, 'my node'))
    const { facts } = await start(bin(['~/my node']), bare())
    expect(facts.node).toBe(process.versions.node)
  })

  test.each([
    '.nvm/versions/node/v20.1.0/bin',
    '.config/nvm/versions/node/v20.1.0/bin',
    '.local/share/fnm/node-versions/v20.1.0/installation/bin',
    '.fnm/node-versions/v20.1.0/installation/bin',
    '.volta/tools/image/node/20.1.0/bin',
    '.asdf/installs/nodejs/20.1.0/bin',
    '.local/share/mise/installs/node/20.1.0/bin',
    '.nodenv/versions/20.1.0/bin',
    '.linuxbrew/opt/node@20/bin',
    'n/bin',
    '.npm-global/bin',
    '.local/bin',
    '.linuxbrew/bin',
  ])('in ~/%s', async (path) => {
    makeNode(join(home, path))
    expect((await start({}, bare())).facts.node).toBe(process.versions.node)
  })

  test('in the newest of several versions, past one that is too old and shims that do not run', async () => {
    const versions = join(home, '.nvm/versions/node')
    makeOldNode(join(versions, 'v9.11.2/bin'), '9.11.2')
    makeOldNode(join(home, '.asdf/shims'))
    makeNode(join(versions, 'v18.20.0/bin'))
    const newest = makeNode(join(versions, 'v22.1.0/bin'))
    const { facts } = await start({}, bare())
    expect(facts.searched.slice(0, 2)).toEqual([
      join(home, '.gapless/runtime/bin'),
      dirname(process.execPath),
    ])
    const failure = await tried()
    expect(failure.indexOf(`${newest}/node (does not run)`)).toBeLessThan(
      failure.indexOf(`${join(versions, 'v18.20.0/bin')}/node (does not run)`),
    )

    /** What is named, and in which order, when none of them runs. */
    async function tried(): Promise<readonly string[]> {
      for (const version of ['v18.20.0', 'v22.1.0']) {
        rmSync(join(versions, version, 'bin/node'))
        makeOldNode(join(versions, version, 'bin'))
      }
      const { evidence = '' } = await failureOf(openAgent(login(bare()), agentOf(compiled), TIMEOUT))
      expect(evidence).toContain('v9.11.2/bin/node (9.11.2 is too old)')
      expect(evidence).toContain('.asdf/shims/node (does not run)')
      return evidence.split('\n')
    }
  })

  test('past one that only the agent runs on, where another fits Next.js', async () => {
    makeOldNode(join(home, 'n/bin'), '18.20.0')
    makeOldNode(join(home, '.n/bin'), '20.8.1')
    makeNode(join(home, '.local/bin'))
    expect((await start({}, bare())).facts.node).toBe(process.versions.node)
  })

  test('as one that only the agent runs on, where no other fits', async () => {
    const mark = join(home, 'it was used')
    mkdirSync(join(home, 'n/bin'), { recursive: true })
    writeFileSync(
      join(home, 'n/bin/node'),
      `#!/bin/sh\n[ "$1" = -p ] && echo 18.20.0 && exit\necho >"${mark}"\nexec "${process.execPath}" "$@"\n`,
      { mode: 0o755 },
    )
    await start({}, bare())
    expect(existsSync(mark)).toBe(true)
  })

  test('as the one that the running PM2 daemon uses', async () => {
    mkdirSync(join(home, '.pm2'))
    // This very process stands in for the daemon.
    writeFileSync(join(home, '.pm2/pm2.pid'), String(process.pid))
    expect((await start({}, bare())).facts.node).toBe(process.versions.node)
  })

  test('not as whatever program has the number of a PM2 daemon that is gone', async () => {
    mkdirSync(join(home, '.pm2'))
    const other = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' })
    try {
      writeFileSync(join(home, '.pm2/pm2.pid'), String(other.pid))
      const failure = await failureOf(openAgent(login(bare()), agentOf(compiled), TIMEOUT))
      expect(failure.code).toBe('node-missing')
      expect(failure.evidence).not.toContain('sleep')
    } finally {
      other.kill('SIGKILL')
    }
  })

  test('behind one that is too old', async () => {
    const old = makeOldNode(join(home, 'old'))
    const { facts } = await start(bin([old, makeNode(join(home, 'new'))]), bare())
    expect(facts.node).toBe(process.versions.node)
  })

  test('in the first folder of those named', async () => {
    const [first, mark] = [join(home, 'first'), join(home, 'the first was used')]
    mkdirSync(first)
    writeFileSync(join(first, 'node'), `#!/bin/sh\necho >"${mark}"\nexec "${process.execPath}" "$@"\n`)
    chmodSync(join(first, 'node'), 0o755)
    await start(bin([first, makeNode(join(home, 'second'))]), bare())
    expect(existsSync(mark)).toBe(true)
  })

  test('nowhere: each place that was tried is named, one a line, the old ones as such', async () => {
    const [old, empty] = [makeOldNode(join(home, 'old node'), '16.20.2'), join(home, 'no node in here')]
    const failure = await failureOf(openAgent(login(bare()), agentOf(compiled, bin([old, empty])), TIMEOUT))
    expect(failure).toMatchObject({ code: 'node-missing', remedy: expect.stringContaining('bin-path') })
    const lines = failure.evidence?.split('\n') ?? []
    expect(lines).toEqual(
      expect.arrayContaining([`${old}/node (16.20.2 is too old)`, `${empty}/node`, '/nowhere/usr/bin/node']),
    )
  })
})

describe('the agent', () => {
  test('is sent once: from then on it is there', async () => {
    const first = await start()
    expect(first.shell.output()).toContain(' need-agent\n')
    const [kept = '', ...others] = readdirSync(join(own(), 'agent'))
    expect(others).toEqual([])
    const file = join(own(), 'agent', kept)
    expect(readFileSync(file)).toEqual(agentOf(compiled).source)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(own()).mode & 0o777).toBe(0o700)
    const inode = statSync(file).ino

    const second = await start()
    expect(second.shell.output()).toContain(' ready\n')
    expect(second.shell.sent()).toBe(first.shell.sent() - agentOf(compiled).source.length)
    expect(statSync(file).ino).toBe(inode)
  })

  test('is marked as used, so that cleanup keeps it, unless nothing may change', async () => {
    await start()
    const file = join(own(), 'agent', readdirSync(join(own(), 'agent'))[0]!)
    const longAgo = new Date('2026-01-01T00:00:00Z')
    utimesSync(file, longAgo, longAgo)
    await start({ persist: false })
    expect(statSync(file).mtime).toEqual(longAgo)
    const begun = Date.now() - 1_000
    await start()
    expect(statSync(file).mtimeMs).toBeGreaterThan(begun)
  })

  test('runs from memory and leaves no trace where nothing may be written', async () => {
    const { facts } = await start({ persist: false })
    expect(facts.path).toBe(join(home, 'apps/site'))
    expect(readdirSync(home)).toEqual([])
  })

  test('that was damaged on the server is not run but replaced', async () => {
    await start()
    const file = join(own(), 'agent', readdirSync(join(own(), 'agent'))[0]!)
    writeFileSync(file, 'process.exit(3)')
    const { shell, facts } = await start()
    expect(shell.output()).toContain(' need-agent\n')
    expect(facts.path).toBe(join(home, 'apps/site'))
    expect(facts.nodeAbi).toBe(process.versions.modules)
    expect(facts.cpuFlags).toEqual(expect.arrayContaining(process.arch === 'x64' ? ['sse2'] : []))
    expect(readFileSync(file)).toEqual(agentOf(compiled).source)
    expect(readdirSync(join(own(), 'agent'))).toHaveLength(1)
  })

  test('works in the folder that `path` names, were it absolute', async () => {
    const path = join(folder(), 'site of $HOME "and" it\'s')
    const { facts } = await start({ path })
    expect(facts.path).toBe(path)
    expect(existsSync(join(path, '.gapless/agent'))).toBe(true)
  })

  test('makes folders that others can read, and one that they cannot, whatever the umask', async () => {
    const path = join(folder(), 'a/b/site')
    await start({ path }, { edit: (command) => `umask 077; ${command}` })
    const modes = ['../..', '..', '.', '.gapless', '.gapless/agent'].map((each) =>
      (statSync(join(path, each)).mode & 0o777).toString(8),
    )
    expect(modes).toEqual(['755', '755', '755', '700', '700'])
  })

  test('is kept also where another run makes the same folders at the same time', async () => {
    mkdirSync(join(home, 'apps'))
    const tooEarly = join(folder(), 'too-early.cjs')
    writeFileSync(
      tooEarly,
      `const fs = require('node:fs'), { existsSync } = fs
      fs.existsSync = (path) => path !== ${JSON.stringify(join(home, 'apps'))} && existsSync(path)`,
    )
    await start({}, { env: { NODE_OPTIONS: `--require ${tooEarly}` } })
    expect(readdirSync(join(own(), 'agent'))).toHaveLength(1)
  })

  test('is not written through a link that somebody put there', async () => {
    const [victim, path] = [join(folder(), 'victim'), join(home, 'apps/site')]
    writeFileSync(victim, 'untouched')
    const first = await start({ path })
    const [kept = ''] = readdirSync(join(path, '.gapless/agent'))
    rmSync(join(path, '.gapless/agent', kept))
    first.shell.kill()
    // The name of the file aside holds a pid: all that may come are taken.
    for (let pid = 1; pid < 200; pid += 1) {
      const next = ((first.shell.child?.pid ?? 0) + pid) % 4_194_304
      symlinkSync(victim, join(path, '.gapless/agent', `${kept}.${next}`))
    }
    await start({ path })
    expect(readFileSync(victim, 'utf8')).toBe('untouched')
  })

  test('says itself what is wrong with its folder', async () => {
    writeFileSync(join(home, 'apps'), 'a file in the way')
    const session = await openAgent(login(), agentOf(compiled), TIMEOUT)
    // It started, though it could not be kept.
    await expect(session.call('inspect', {})).rejects.toThrow()
  })
})
