/** The world of one process of an activation, on a fake server. It may die at any of its calls. */
import type { Act, Seen } from '../../src/agent/activation/decide.ts'
import type { Job } from '../../src/agent/activation/job.ts'
import { journalOf, type JournalLine } from '../../src/agent/activation/journal.ts'
import { runActivation } from '../../src/agent/activation/run.ts'
import { match } from '../../src/agent/activation/workers.ts'
import type { World } from '../../src/agent/activation/world.ts'
import { toFailure } from '../../src/agent/system/system-error.ts'
import type { Answer } from '../../src/common/health.ts'
import { Failure } from '../../src/common/failure.ts'
import type { ActivationRequest } from '../../src/protocol/messages.ts'
import { request } from '../agent/releases-on-disk.ts'
import type { Pm2Options } from '../../src/agent/pm2/client.ts'
import type { FakePm2 } from './fake-pm2.ts'
import type { FakeProcess, FakeServer } from './fake-server.ts'

/** Faults of this file's own, which a simulation has to find. */
export interface Wiring {
  /** The journal is emptied when a process begins. */
  readonly losesJournal?: boolean
  /** Hooks of activations that died are not waited for. */
  readonly losesHooks?: boolean
  /** Workers behind their doors are restarted by PM2, and those that it forgets then are not told to leave. */
  readonly restartsEarly?: boolean
}

export interface Options {
  readonly wiring?: Wiring
  /** By how much the time of day jumps with each entry of the journal, in ms. */
  readonly clockJump?: number
  /** At which of its calls the process dies, before that or after it has worked; null: never. */
  readonly diesAt?: { readonly call: number; readonly after: boolean } | null
  /** It dies once it has written this line of the journal, such as `swap begin`. */
  readonly diesAfterLine?: string
  /** How long each call takes, in ms. */
  readonly latency?: () => number
  /** How a hook ends, and after how many ms. */
  readonly hook?: (name: string) => { readonly ms: number; readonly fails: boolean }
  /** Told of each call. */
  readonly onCall?: (name: string, index: number) => void
}

const PM2_PATIENCE = 30_000

export function jobOf(changes: Partial<ActivationRequest>): Job {
  const pm2 = { pm2Path: '', pm2Version: '7.0.4', pm2Home: '' }
  return { base: '/app', appName: 'app', ...pm2, request: { ...request, lockTimeoutMs: 600_000, ...changes } }
}

export function fakeWorld(
  server: FakeServer,
  job: Job,
  options: Options = {},
  process = server.newProcess(),
): World & { process: FakeProcess } {
  const { diesAt = null, latency = () => 1, onCall = () => undefined, wiring = {}, clockJump = 0 } = options
  const hookEnds = options.hook ?? (() => ({ ms: 100, fails: false }))
  const { clock } = server
  const { activation, release } = job.request
  let calls = 0
  server.jobs.set(activation, job)
  const forever = new Promise<never>(() => undefined)

  /** One call into the world: it takes time, and the process may die before it or after it. */
  async function call<T>(name: string, act: () => T | Promise<T>): Promise<T> {
    if (!process.alive) return forever
    const index = (calls += 1)
    onCall(name, index)
    const dies =
      diesAt?.call === index ||
      (options.diesAfterLine !== undefined && name === `journal ${options.diesAfterLine}`)
    if (diesAt?.call === index && !diesAt.after) process.alive = false
    await clock.sleep(latency())
    if (!process.alive) return forever
    if (dies) {
      // It is not there to hear how that ended.
      void Promise.resolve()
        .then(act)
        .catch(() => undefined)
      process.alive = false
      return forever
    }
    const result = await Promise.resolve()
      .then(act)
      .then(
        (value) => () => value,
        (error: unknown) => () => {
          throw error
        },
      )
    return process.alive ? result() : forever
  }

  /** A call that writes to the disk. */
  const write = <T>(name: string, act: () => T) =>
    call(name, () => {
      // The reserve makes room, for a while.
      if (server.diskFull && server.reserves.delete(activation)) server.diskFull = false
      if (server.diskFull) {
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
      }
      return act()
    })

  /** What PM2 is asked. A daemon that says nothing is waited for, but not for ever. */
  async function ask<T>(
    name: string,
    request: (pm2: FakePm2, done: (value: T) => void, refuse: (message: string) => void) => void,
  ): Promise<T> {
    return call(name, () => {
      const pm2 = server.daemon()
      return new Promise<T>((resolve, reject) => {
        let answered = false
        const refuse = (message: string) => {
          answered = true
          reject(new Failure('pm2-failed', message))
        }
        const begin = () => {
          if (answered) return
          try {
            request(
              pm2,
              (value) => {
                answered = true
                resolve(value)
              },
              refuse,
            )
          } catch (error) {
            refuse((error as Error).message)
          }
        }
        const watch = () => {
          if (answered) return
          if (!pm2.alive) refuse('the PM2 daemon ended in the middle of a request')
          else clock.after(500, watch)
        }
        const silence = pm2.silentUntil - clock.now
        if (silence > PM2_PATIENCE) clock.after(PM2_PATIENCE, () => refuse('the PM2 daemon does not answer'))
        else if (silence > 0) clock.after(silence, begin)
        else begin()
        if (!answered) clock.after(500, watch)
      })
    })
  }

  const list = () =>
    ask('list', (pm2, done: (value: ReturnType<FakePm2['list']>) => void) => done(pm2.list()))

  async function look(health: boolean, replacing: boolean): Promise<Seen> {
    const seen = match(await list(), server.records())
    const answers = new Map<number, Answer>()
    if (health) {
      for (const { record } of seen.listed) {
        if (record?.phase === 'open') answers.set(record.pid, answerOf(record.pid))
      }
    }
    const ids = replacing ? seen.listed.map(({ process: { id } }) => id) : []
    const aside = ids.filter((id) => server.daemon().isReplacing(id))
    return { ...seen, answers, door: health ? doorAnswer() : null, replacing: new Set(aside) }
  }

  function answerOf(pid: number): Answer {
    const worker = server.workers.find((one) => one.pid === pid)
    const status = worker?.alive !== true || worker.hung ? 0 : worker.sick ? 500 : 200
    return { healthy: status === 200, status, detail: `HTTP ${status}`, excerpt: '' }
  }

  function doorAnswer(): Answer {
    const status = server.open().size > 0 ? 200 : 0
    return { healthy: status > 0, status, detail: `HTTP ${status}`, excerpt: '' }
  }

  function restartEarly(id: number): void {
    const listed = server.pm2.list().find((process) => process.id === id)
    if (listed !== undefined)
      server.pm2.restart(id, listed.definition as unknown as Pm2Options, () => undefined)
  }

  const perform = (act: Act) =>
    act.do === 'sigint' || act.do === 'kill' || act.do === 'kill-if-hung'
      ? call(act.do, () => {
          const worker = server.workers.find(({ pid }) => pid === act.pid)
          if (act.do === 'kill-if-hung' && answerOf(act.pid).status !== 0) return
          if (act.do === 'sigint' && wiring.restartsEarly === true) return restartEarly(act.id)
          worker?.signal(act.do === 'sigint' ? 'SIGINT' : 'SIGKILL')
        })
      : ask<void>(act.do, (pm2, done, refuse) => {
          const end = (refused?: string) =>
            refused === undefined ? done(undefined) : refuse(`PM2 refused: ${refused}`)
          switch (act.do) {
            case 'reload':
              return pm2.reload(act.id, act.options, end)
            case 'restart':
              return pm2.restart(act.id, act.options, end)
            case 'stop':
              return pm2.stop(act.id, end)
            case 'remove':
              return pm2.remove(act.id, end)
            case 'duplicate':
              return pm2.duplicate(act.id, end)
            case 'start':
              return pm2.start(
                { script: act.app.script, cwd: act.app.cwd, mode: 'cluster_mode' },
                act.app.options,
                end,
              )
          }
        })

  const verified = (id: string) => server.releases.get(id)?.verified ?? null

  return {
    process,
    now: () => clock.now,
    sleep: (ms) => call('sleep', () => clock.sleep(ms)),
    sinceBoot: () => clock.now,
    toFailure,
    journal: journalOf((line: JournalLine) =>
      write(`journal ${line.step ?? 'verdict'} ${line.state}`, () => {
        const time = new Date(clockJump * server.journal.length).toISOString()
        server.journal.push({ time, activation, ...line })
      }),
    ),
    entries: () => call('entries', () => (wiring.losesJournal === true ? [] : [...server.journal])),
    isLost: () =>
      call(
        'isLost',
        () => job.request.kind === 'deploy' && server.current === release && verified(release) === null,
      ),
    notify: (notice) =>
      (notice === null ? call : write)('notify', () => {
        server.notice = notice && { ...notice, target: release, owner: process }
      }),
    dismiss: () =>
      call('dismiss', () => {
        if (server.notice?.owner === process) server.notice = null
      }),
    runHook: (name) =>
      call(name, async () => {
        const { ms, fails } = hookEnds(name)
        const run = { activation, name, from: clock.now, until: clock.now + ms }
        server.hooks.push(run)
        await clock.sleep(ms)
        if (fails) throw new Failure('hook-failed', `${name} failed`)
        return ''
      }),
    finish: (other) =>
      call('finish', async () => {
        const interrupted = server.jobs.get(other)
        if (interrupted === undefined) return
        const world = fakeWorld(server, interrupted, { ...options, diesAt: null }, process)
        await runActivation(world, interrupted).catch(() => undefined)
      }),
    serving: () =>
      call('serving', () => {
        const open = new Set(server.open())
        if (open.size > 1 && server.notice !== null) open.delete(server.notice.target)
        return open.size === 1 ? [...open][0]! : null
      }),

    takeReserve: () => write('takeReserve', () => void server.reserves.add(activation)),
    lock: () =>
      call('lock', async () => {
        while (server.lock?.owner.alive === true) await clock.sleep(200)
        if (process.alive) server.lock = { owner: process, activation }
      }),
    lockPort: () => call('lockPort', () => undefined),
    unlock: () =>
      call('unlock', () => {
        if (server.lock?.owner === process) server.lock = null
      }),
    alone: async (act) => {
      await call('alone', async () => {
        while (server.ending.get(activation)?.alive === true) await clock.sleep(200)
        if (process.alive) server.ending.set(activation, process)
      })
      return act().finally(() => server.ending.delete(activation))
    },
    isElsewhere: () =>
      call(
        'isElsewhere',
        () =>
          server.lock?.activation === activation && server.lock.owner !== process && server.lock.owner.alive,
      ),
    isWithdrawn: () => call('isWithdrawn', () => server.withdrawn.has(activation)),
    endLeftovers: () =>
      call('endLeftovers', async () => {
        while (wiring.losesHooks !== true && server.hooks.some(({ until }) => until > clock.now))
          await clock.sleep(100)
      }),

    connect: () => ask<void>('connect', (_, done) => done(undefined)),
    daemon: () => call('daemon', () => (server.pm2.alive ? server.pm2.pid : null)),
    list,
    records: () => call('records', () => server.records()),
    look: async ({ health, replacing = false }) => look(health !== undefined, replacing),
    act: perform,
    moveNode: () =>
      call('moveNode', () => {
        if (!server.hasNewNode) return null
        server.hasNewNode = false
        server.killDaemon()
        server.daemon()
        return 'PM2 moved'
      }),
    savePm2: () => ask<void>('save', (_, done) => done(undefined)),
    freeMemory: () => call('freeMemory', () => server.freeMemory),
    instancesOf: ({ instances }) => instances,
    evidence: () => call('evidence', () => ''),
    notFound: () => call('notFound', () => ''),
    findReplaced: async () => {
      const foreign = (await list()).filter(({ script }) => !script.startsWith('/app/current'))
      return { current: null, processes: foreign, besideOurs: false, addresses: [] }
    },
    readReplaced: () => call('readReplaced', () => server.replaced),
    writeReplaced: (replaced) =>
      write('writeReplaced', () => {
        server.replaced = replaced.processes.length > 0 ? replaced : null
      }),
    forgetReplaced: () =>
      call('forgetReplaced', () => {
        server.replaced = null
      }),
    putBack: ({ processes }) =>
      call('putBack', () => {
        for (const { script, cwd, mode, definition } of processes)
          server.daemon().start({ script, cwd, mode }, definition as unknown as Pm2Options, () => undefined)
        return 'started again'
      }),
    assertClaims: () => call('assertClaims', () => undefined),
    assertNoOtherDoor: () => call('assertNoOtherDoor', () => undefined),

    goal: (id) =>
      call('goal', () => {
        if (!server.releases.has(id)) throw new Failure('release-damaged', `release ${id} is damaged`)
        return { release: id, runtime: { ...server.runtime, ...server.runtimes.get(id) }, entry: 'server.js' }
      }),
    current: () => call('current', () => server.current),
    isVerified: (id) => call('isVerified', () => verified(id) !== null),
    previousRelease: (current, except) =>
      call('previousRelease', () => {
        const until = current === null ? null : verified(current)
        const before = [...server.releases]
          .map(([id, one]) => ({ id, at: one.verified }))
          .filter(
            ({ id, at }) => at !== null && id !== current && id !== except && (until === null || at < until),
          )
          .sort((a, b) => a.at! - b.at!)
        return before.at(-1)?.id ?? null
      }),
    preparePoint: () => write('preparePoint', () => undefined),
    point: (id) =>
      // The link was made beforehand: a rename needs no room.
      call(`point ${id}`, () => {
        server.current = id
      }),
    unlink: () =>
      call('unlink', () => {
        server.current = null
      }),
    markServing: (id) =>
      write('markServing', () => {
        const marked = server.releases.get(id)!
        marked.verified ??= 1 + Math.max(0, ...[...server.releases.values()].map((one) => one.verified ?? 0))
      }),
    linkOldStatic: () => call('linkOldStatic', () => ''),
    assertLauncher: () => call('assertLauncher', () => undefined),
    repairLauncher: () => call('repairLauncher', () => null),
    assertNotOvertaken: () => call('assertNotOvertaken', () => undefined),
  }
}
