/** The unit that setup makes, under a real systemd: a reboot, the death of PM2's daemon, and another Node.js. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parse } from '../../src/protocol/guards.ts'
import { workerRecord } from '../../src/worker/worker-record.ts'
import type { BareUser } from '../support/bare-user.ts'
import { daemonPid } from '../support/daemon-pid.ts'
import { type PrebuiltSite, startPrebuiltSite } from '../support/prebuilt-site.ts'
import { maySystemd } from '../support/systemd.ts'
import { until } from '../support/until.ts'

const thorough = process.env['GAPLESS_TEST_ALL'] === '1' && maySystemd ? describe : describe.skip

thorough('under systemd', () => {
  let site: PrebuiltSite
  let server: BareUser
  beforeAll(async () => {
    site = await startPrebuiltSite({ withSystemd: true })
    server = site.server
  }, 300_000)
  afterAll(() => site.stop())
  const deploy = async (version: 0 | 1) => {
    const { code, outputs, log } = await site.run('deploy', {}, version)
    expect({ code, status: outputs['status'], log }).toMatchObject({ code: 0, status: 'live' })
    return log
  }
  const asUser = (command: string) => {
    const script = `export XDG_RUNTIME_DIR=/run/user/$(id -u); ${command}`
    return server.systemd!.run('runuser', '-u', 'deploy', '--', 'sh', '-c', script)
  }
  /** Of the process that systemd watches; 0 where there is none. */
  const watched = () => Number(asUser('systemctl --user show --value --property MainPID gapless-pm2'))
  /** Of each worker that lives: those that the reboot killed have left their records. */
  const orphaned = () => {
    const folder = join(server.home, 'apps/web/.gapless/workers')
    const alive = server.systemd!.run('ls', '/proc').split('\n')
    return alive
      .map((pid) => `${pid}.json`)
      .filter((name) => existsSync(join(folder, name)))
      .map((name) => parse(workerRecord, readFileSync(join(folder, name), 'utf8'), name).orphaned !== null)
  }

  test('setup starts PM2 by a unit, and a deploy goes live under it', async () => {
    expect(await site.run('setup', { 'node-version': '22' })).toMatchObject({ code: 0 })
    const daemon = await until('systemd watches the daemon', () => watched() || null)
    await deploy(0)
    expect(daemonPid(server)).toBe(daemon)
    expect(watched()).toBe(daemon)
  }, 300_000)

  test('after a reboot the app returns without anybody', async () => {
    await server.systemd!.reboot()
    await until('the app answers', () =>
      fetch(`http://127.0.0.1:${server.port}/api/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
    await server.sshd.startAgain()
    await until('systemd watches the daemon', () => watched() === daemonPid(server))
  }, 120_000)

  test('systemd starts another daemon when it is killed, and its workers take over', async () => {
    const before = daemonPid(server)
    const visits = site.load()
    await until('visitors are answered', () => visits.soFar().requests > 50)
    server.systemd!.run('kill', '-9', String(before))
    await until('systemd watches another daemon', () => ![0, before].includes(watched()))
    await until('its own two workers are left', () => String(orphaned()) === 'false,false')
    const { requests, failures } = await visits.stop()
    process.stderr.write(`PM2's daemon under systemd: ${requests} requests, ${failures.length} failed\n`)
    expect(failures.length).toBeLessThanOrEqual(10)
    const next = site.load()
    await deploy(1)
    expect((await next.stop()).failures).toEqual([])
    expect(watched()).toBe(daemonPid(server))
  }, 300_000)

  test('a deploy moves to another Node.js under it', async () => {
    expect(await site.run('setup', { 'node-version': '24' })).toMatchObject({ code: 0 })
    const visits = site.load()
    expect(await deploy(0)).toMatch(/PM2 moved from Node 22\.\S+ to 24\./)
    const { requests, failures } = await visits.stop()
    process.stderr.write(`Another Node.js under systemd: ${requests} requests, ${failures.length} failed\n`)
    expect(failures).toEqual([])
  }, 300_000)

  test('the daemon of that deploy is not a child of systemd, which starts another all the same when it dies', async () => {
    const before = daemonPid(server)
    server.systemd!.run('kill', '-9', String(before))
    // It has waited for the first one as long as a start may take.
    await until('systemd watches another daemon', () => ![0, before].includes(watched()), 120_000)
    await until('its own two workers are left', () => String(orphaned()) === 'false,false')
    expect(asUser('systemctl --user show --value --property ExecStart gapless-pm2')).not.toMatch(/node\/2\d/)
  }, 300_000)
})
