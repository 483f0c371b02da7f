/** setup where it is interrupted, where old programs stand, under other shells, and from one Node.js to the next. */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { buildOfExample } from '../support/builds.ts'
import { type BareUser, listingOf, startBareUser } from '../support/bare-user.ts'
import { daemonPid } from '../support/daemon-pid.ts'
import { temporaryFolders } from '../support/folder.ts'
import { type PrebuiltSite, runPrebuilt, startPrebuiltSite } from '../support/prebuilt-site.ts'
import { runAction, type RunResult } from '../support/runner.ts'
import { mayUnshare } from '../support/sshd.ts'
import { until } from '../support/until.ts'
import { checkOut, type Workspace } from '../support/workspace.ts'

const thorough = process.env['GAPLESS_TEST_ALL'] === '1' && mayUnshare ? describe : describe.skip

/** The Node.js that a process runs on, as its version. */
const nodeOf = (pid: number) => /node\/([^/]+)\//.exec(readlinkSync(`/proc/${pid}/exe`))?.[1] ?? ''
const makeFolder = temporaryFolders()
const brought = ({ home }: BareUser) => readdirSync(join(home, '.gapless/runtime/node'))

thorough('from Node.js 22 to 24', () => {
  let site: PrebuiltSite
  let server: BareUser
  beforeAll(async () => {
    site = await startPrebuiltSite()
    server = site.server
  }, 300_000)
  afterAll(() => site.stop())
  const pids = async () => {
    const folder = join(server.home, 'apps/web/.gapless/workers')
    return readdirSync(folder).flatMap((name) => Number(/^(\d+)\.json$/.exec(name)?.[1]) || [])
  }

  test('setup brings 22, and a deploy runs on it', async () => {
    expect((await site.run('setup', { 'node-version': '22' })).code).toBe(0)
    const { code, log } = await site.run('deploy')
    expect({ code, log }).toMatchObject({ code: 0 })
    expect(nodeOf(daemonPid(server))).toMatch(/^22\./)
  }, 300_000)

  test('setup brings 24 beside it, the next deploy moves over under load, and no request fails', async () => {
    const load = site.load()
    const setup = await site.run('setup', { 'node-version': '24' })
    expect(setup).toMatchObject({ code: 0 })
    expect(setup.log).toMatch(/the next deploy moves PM2 without a gap/)
    expect(nodeOf(daemonPid(server))).toMatch(/^22\./)
    const deploy = await site.run('deploy', {}, 1)
    const { failures, requests } = await load.stop()
    process.stderr.write(`Node.js 22 to 24: ${requests} requests, ${failures.length} failed\n`)
    expect({ code: deploy.code, status: deploy.outputs['status'] }).toEqual({ code: 0, status: 'live' })
    expect(deploy.log).toMatch(/PM2 moved from Node 22\.\S+ to 24\./)
    expect(nodeOf(daemonPid(server))).toMatch(/^24\./)
    await until('the old workers have left', async () => (await pids()).length === 2, 60_000)
    for (const pid of await pids()) expect(nodeOf(pid)).toMatch(/^24\./)
    expect(failures).toEqual([])
  }, 300_000)

  test('the deploy after that removes 22, from which nothing runs', async () => {
    expect(brought(server)).toHaveLength(2)
    const folder = join(server.home, '.gapless/runtime/node', brought(server)[0]!)
    const broughtAt = lstatSync(folder).ctimeMs
    await until('22 was not brought just now', () => Date.now() - broughtAt > 60_000, 90_000)
    const { code, log } = await site.run('deploy')
    expect({ code, log }).toMatchObject({ code: 0 })
    expect(log).toMatch(/removed \.gapless\/runtime\/node\/22\./)
    expect(brought(server)).toEqual([expect.stringMatching(/^24\./)])
  }, 300_000)
})

/** Moves what setup brought to where `node` and `npm install --global pm2` would be. */
function moveTo(prefix: string, { home }: BareUser): void {
  const command = (name: string) => realpathSync(join(home, '.gapless/runtime/bin', name))
  const packages = join(command('pm2'), '../../..')
  mkdirSync(join(prefix, 'bin'), { recursive: true })
  cpSync(command('node'), join(prefix, 'bin/node'))
  cpSync(packages, join(prefix, 'lib/node_modules'), { recursive: true, verbatimSymlinks: true })
  symlinkSync('../lib/node_modules/pm2/bin/pm2', join(prefix, 'bin/pm2'))
  execFileSync('chmod', ['-R', 'a+rX', prefix])
  rmSync(join(home, '.gapless'), { recursive: true })
}

/** Version managers change the PATH of interactive shells alone. */
const BASHRC = 'case $- in *i*) ;; *) return ;; esac\nPATH="$HOME/.nvm/versions/node/v24.0.0/bin:$PATH"\n'

/** As people do to let Node.js listen on port 80. Then only root sees what its processes hold. */
const SETCAP = '/usr/sbin/setcap'
const mayListenBelow1024 = (prefix: string) =>
  execFileSync(SETCAP, ['cap_net_bind_service=+ep', join(prefix, 'bin/node')])
const capable = [
  ['the system, with a capability,', ({ system }: BareUser) => system, mayListenBelow1024],
] as const

thorough.each([
  ['nvm', ({ home }: BareUser) => join(home, '.nvm/versions/node/v24.0.0'), () => undefined],
  ['the system', ({ system }: BareUser) => system, () => undefined],
  ...(existsSync(SETCAP) ? capable : []),
] as const)('with a Node.js and PM2 of %s that fit', (_, prefixOf, change) => {
  let server: BareUser
  let workspace: Workspace
  beforeAll(async () => {
    server = await startBareUser()
    workspace = await buildOfExample('first')
  }, 300_000)
  afterAll(async () => {
    await server.stop()
    workspace.remove()
  })

  test('setup brings nothing, a deploy runs on them, and check passes', async () => {
    const run = (command: string) => runPrebuilt(server, workspace, command)
    const prefix = prefixOf(server)
    expect(await run('setup')).toMatchObject({ code: 0 })
    moveTo(prefix, server)
    change(prefix)
    server.write('.bashrc', BASHRC)
    const before = listingOf(prefix)

    const setup = await run('setup')
    expect(setup).toMatchObject({ code: 0 })
    expect(setup.log).not.toContain('brought')
    expect(existsSync(join(server.home, '.gapless/runtime/node'))).toBe(false)
    const deploy = await run('deploy')
    expect(deploy).toMatchObject({ code: 0, outputs: { status: 'live' } })
    expect(readlinkSync(`/proc/${daemonPid(server)}/exe`)).toBe(join(prefix, 'bin/node'))
    expect(await run('check')).toMatchObject({ code: 0, outputs: { status: 'live' } })
    expect(await run('deploy')).toMatchObject({ code: 0, outputs: { status: 'live' } })
    expect(listingOf(prefix)).toBe(before)
  }, 300_000)
})

thorough.each(['/usr/bin/fish', '/usr/bin/tcsh', '/bin/sh'])('with the login shell %s', (shell) => {
  let server: BareUser
  let workspace: Workspace
  beforeAll(async () => {
    server = await startBareUser({ shell })
    workspace = checkOut()
  }, 60_000)
  afterAll(async () => {
    await server.stop()
    workspace.remove()
  })

  test('an old Node.js does not count, setup that is killed at each step begins again, and check passes', async () => {
    server.write('.nvm/versions/node/v16.20.2/bin/node', '#!/bin/sh\necho 16.20.2\n')
    const run = (
      command: string,
      onStart = (_kill: () => void) => undefined as unknown,
    ): Promise<RunResult> =>
      runAction({
        inputs: { ...server.inputs, command },
        workspace: workspace.path,
        // Who is killed removes nothing.
        env: { TMPDIR: packages },
        onStart: (child) => onStart(() => child.kill('SIGKILL')),
      })
    const packages = makeFolder()
    const before = await run('check')
    expect(before.log).toMatch(/✖ Node\.js: \S.*v16\.20\.2\/bin\/node \(16\.20\.2 is too old\)/)
    const runtime = join(server.home, '.gapless/runtime')
    const has = (folder: string, name: RegExp) => {
      try {
        return readdirSync(folder).some((entry) => name.test(entry))
      } catch {
        return false
      }
    }
    for (const begun of [
      () => has(runtime, /^\.new-node-/),
      () => has(join(runtime, 'bin'), /^node$/),
      () => has(runtime, /^\.new-pm2-/),
      () => has(join(runtime, 'bin'), /^pm2$/),
    ]) {
      let kill = () => undefined as unknown
      let over = false
      const running = run('setup', (how) => (kill = how)).finally(() => (over = true))
      await until('the step begins', () => over || begun(), 120_000)
      kill()
      await running
      server.sshd.dropConnections()
    }
    const after = await run('setup')
    expect({ code: after.code, log: after.log }).toMatchObject({ code: 0 })
    expect(after.log).toMatch(/✔ Node\.js: 24\./)
    expect(readdirSync(runtime).toSorted()).toEqual(['bin', 'node', 'pm2'])
  }, 600_000)
})

thorough.each([
  ['noexec', /it does not run there/, /Mount the home without `noexec`/],
  ['size=8m', /the disk is full|arrived incomplete/, /Free disk space/],
  ['nr_inodes=12', /the disk is full|could not be unpacked/, /Free disk space/],
])('in a home that is mounted with %s', (disk, problem, remedy) => {
  let server: BareUser
  let workspace: Workspace
  beforeAll(async () => {
    server = await startBareUser({ disk })
    workspace = checkOut()
  }, 60_000)
  afterAll(async () => {
    await server.stop()
    workspace.remove()
  })

  test('setup says what is in the way, and leaves nothing half done', async () => {
    const { code, log } = await runAction({
      inputs: { ...server.inputs, command: 'setup' },
      workspace: workspace.path,
    })
    expect(code).toBe(1)
    expect(log).toMatch(problem)
    expect(log).toMatch(remedy)
    const runtime = join(server.home, '.gapless/runtime')
    expect(readdirSync(runtime).filter((name) => name.startsWith('.new-node-'))).toEqual([])
    // What came before it is whole.
    const commands = readdirSync(join(runtime, 'bin'))
    expect(commands.filter((name) => !existsSync(join(runtime, 'bin', name)))).toEqual([])
    expect(commands).not.toContain('pm2')
  }, 180_000)
})
