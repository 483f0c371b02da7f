/**
 * Node and PM2 as version and package managers install them, each on a server that has nothing else: a root of its
 * own, in a mount namespace. A session over SSH has none of their folders on its PATH. Needs root.
 */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import type { ServerFacts } from '../../src/protocol/messages.ts'
import { openAgent } from '../../src/agent-client/agent-session.ts'
import { agentOf } from '../support/agent.ts'
import { compile } from '../support/compile.ts'
import { temporaryFolders } from '../support/folder.ts'
import { type LocalShell, localShell } from '../support/local-shell.ts'

const folder = temporaryFolders()
const asRoot = process.getuid?.() === 0 ? describe : describe.skip
const HOME = '/root'

let compiled: string
let shell: LocalShell | undefined
beforeAll(() => {
  compiled = compile()
})
afterEach(() => shell?.kill())
afterAll(() => rmSync(compiled, { recursive: true, force: true }))

interface Layout {
  /** Where the program itself is: what `process.execPath` says. `~` is the home. */
  readonly node: string
  /** The package's folder. */
  readonly pm2: string
  /** Links, with their targets. */
  readonly links?: Readonly<Record<string, string>>
  /** Files: shims are scripts that do not run without their manager's own set-up. */
  readonly files?: Readonly<Record<string, string>>
}

const shim = '#!/bin/sh\nexec version-manager-that-is-not-on-the-path "$0" "$@"\n'
const brew = '/home/linuxbrew/.linuxbrew'

/** What npm makes of `npm install -g pm2` with this prefix. */
function global(prefix: string) {
  const pm2 = `${prefix}/lib/node_modules/pm2`
  return { pm2, links: { [`${prefix}/bin/pm2`]: '../lib/node_modules/pm2/bin/pm2' } }
}

/** The same, beside a Node of that prefix's own. */
const whole = (prefix: string): Layout => ({ node: `${prefix}/bin/node`, ...global(prefix) })

const layouts: Readonly<Record<string, Layout>> = {
  nvm: whole('~/.nvm/versions/node/v22.1.0'),
  'nvm for the whole system': whole('/usr/local/nvm/versions/node/v22.1.0'),
  fnm: whole('~/.local/share/fnm/node-versions/v22.1.0/installation'),
  Volta: {
    node: '~/.volta/tools/image/node/22.1.0/bin/node',
    pm2: '~/.volta/tools/image/packages/pm2/lib/node_modules/pm2',
    links: {
      '~/.volta/tools/image/packages/pm2/bin/pm2': '../lib/node_modules/pm2/bin/pm2',
      '~/.volta/bin/node': 'volta-shim',
      '~/.volta/bin/pm2': 'volta-shim',
    },
    files: { '~/.volta/bin/volta-shim': shim },
  },
  asdf: {
    ...whole('~/.asdf/installs/nodejs/22.1.0'),
    files: { '~/.asdf/shims/node': shim, '~/.asdf/shims/pm2': shim },
  },
  mise: {
    ...whole('~/.local/share/mise/installs/node/22.1.0'),
    links: {
      ...global('~/.local/share/mise/installs/node/22.1.0').links,
      '~/.local/share/mise/shims/node': '../../../bin/mise',
    },
    files: { '~/.local/bin/mise': shim },
  },
  n: whole('~/n'),
  'n for the whole system': whole('/usr/local'),
  nodenv: { ...whole('~/.nodenv/versions/22.1.0'), files: { '~/.nodenv/shims/node': shim } },
  'a package of the system, with npm’s prefix in the home': {
    node: '/usr/bin/node',
    ...global('~/.npm-global'),
    files: { '~/.npmrc': 'prefix=${HOME}/.npm-global\n' },
  },
  'a package of the system, with PM2 as this action tells it': {
    node: '/usr/bin/node',
    ...global('~/.local'),
  },
  Homebrew: {
    node: `${brew}/Cellar/node/22.1.0/bin/node`,
    pm2: `${brew}/lib/node_modules/pm2`,
    links: { ...global(brew).links, [`${brew}/bin/node`]: '../Cellar/node/22.1.0/bin/node' },
  },
  'Homebrew, a version beside the others': {
    node: `${brew}/Cellar/node@20/20.1.0/bin/node`,
    pm2: `${brew}/lib/node_modules/pm2`,
    links: { ...global(brew).links, [`${brew}/opt/node@20`]: '../Cellar/node@20/20.1.0' },
  },
  // What /snap/bin has are links to one program, which starts what it was called as.
  snap: {
    node: '/snap/node/9001/bin/node',
    ...global('/usr/local'),
    links: {
      ...global('/usr/local').links,
      '/snap/bin/node': '/usr/local/snapd',
      '/snap/node/current': '9001',
    },
    files: { '/usr/local/snapd': '#!/bin/sh\nexec "/snap/${0##*/}/current/bin/${0##*/}" "$@"\n' },
  },
}

asRoot('found on a server with nothing else:', () => {
  test.each(Object.entries(layouts))('%s', async (_, layout) => {
    const facts = await inspect(layout)
    expect(facts.nodePath).toBe(inHome(layout.node))
    expect(facts.pm2).toMatchObject({ path: inHome(layout.pm2), version: '7.0.4' })
  })
})

const inHome = (path: string) => path.replace(/^~/, HOME)

async function inspect({ node, pm2, links = {}, files = {} }: Layout): Promise<ServerFacts> {
  const root = folder()
  const at = (path: string) => {
    const place = join(root, inHome(path))
    mkdirSync(dirname(place), { recursive: true })
    return place
  }
  for (const [path, target] of Object.entries(links)) symlinkSync(target, at(path))
  for (const [path, content] of Object.entries(files)) writeFileSync(at(path), content, { mode: 0o755 })
  writeFileSync(at(`${pm2}/package.json`), JSON.stringify({ name: 'pm2', version: '7.0.4' }))
  writeFileSync(at(`${pm2}/bin/pm2`), '#!/usr/bin/env node\n', { mode: 0o755 })

  shell = localShell({ shell: loginIn(root, inHome(node)), env: { HOME, PATH: '/usr/bin:/bin' } })
  const agent = await openAgent(shell, agentOf(compiled, { persist: false }), 10_000)
  const facts = await agent.call('inspect', {})
  agent.close()
  return facts
}

/** Of all programs of this machine the few that a login needs. */
const TOOLS = ['sh', 'cat', 'readlink', 'id', 'env']
const SHARED = ['/etc', '/proc', '/dev', '/lib', '/lib64', '/usr/lib', '/usr/lib64', '/usr/share']

/** A login shell in another root, where this test's Node stands at `node`. */
function loginIn(root: string, node: string): string {
  for (const tool of TOOLS) {
    mkdirSync(join(root, 'usr/bin'), { recursive: true })
    symlinkSync(`/tools/${tool}`, join(root, 'usr/bin', tool))
  }
  symlinkSync('usr/bin', join(root, 'bin'))
  const shared = [...SHARED.filter((path) => existsSync(path)), compiled].map((path) => [path, path])
  const mounts = [...shared, ['/usr/bin', '/tools']]
  for (const [, target = ''] of mounts) mkdirSync(join(root, target), { recursive: true })
  mkdirSync(dirname(join(root, node)), { recursive: true })
  // A mount instead of a copy of 100 MB; the process is known by this path all the same.
  writeFileSync(join(root, node), '', { mode: 0o755 })
  const lines = [...mounts, [process.execPath, node]].map(
    ([source, target]) => `mount --rbind '${source}' '${root}${target}'`,
  )
  const login = join(root, 'login')
  const script = `${lines.join(' && ')} && exec /usr/sbin/chroot '${root}' /bin/sh "$@"`
  writeFileSync(`${login}.inner`, script)
  writeFileSync(login, `#!/bin/sh\nexec unshare -m sh '${login}.inner' "$@"\n`, { mode: 0o755 })
  return login
}
