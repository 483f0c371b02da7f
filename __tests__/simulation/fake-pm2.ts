/**
 * PM2's daemon as 7.0.4 is: a reload keeps the old worker aside until the new one is ready, a worker that exits is
 * started again, and one that is stopped or restarted before it was ready may run twice. The claims are tested against
 * the real one in contract.server.test.ts.
 */
import type { Pm2Options, Pm2Process } from '../../src/agent/pm2/client.ts'
import type { Clock } from './clock.ts'
import type { FakeWorker } from './fake-worker.ts'

interface Entry {
  key: string
  readonly id: number
  worker: FakeWorker | null
  status: 'launching' | 'online' | 'stopping' | 'stopped' | 'errored'
  options: Pm2Options
  restarts: number
  unstable: number
  createdAt: number
  startedAt: number
  /** Its start has been answered. */
  ready: boolean
  program: Program
}

export interface Program {
  readonly script: string
  readonly cwd: string
  readonly mode: string
}

/** @param refused what PM2 says where it does not do it */
type Done = (refused?: string) => void

type Spawn = (onReady: () => void, onExit: () => void, program: Program) => FakeWorker

const MIN_UPTIME = 1000
const MAX_RESTARTS = 16
const LOOK = 100

export class FakePm2 {
  /** Faults that a test injects. */
  silentUntil = 0
  /** A restart before `ready` starts the process twice, and PM2 forgets the first. */
  startsTwice = false
  alive = true
  private readonly entries = new Map<string, Entry>()
  private readonly reloads = new Map<number, () => void>()
  private readonly started: FakeWorker[] = []
  private nextId = 0

  readonly pid: number
  private readonly clock: Clock
  private readonly spawn: Spawn

  constructor(pid: number, clock: Clock, spawn: Spawn) {
    this.pid = pid
    this.clock = clock
    this.spawn = spawn
  }

  list(): readonly Pm2Process[] {
    return [...this.entries.values()]
      .filter(({ key }) => !key.startsWith('_old_'))
      .map(({ id, worker, status, restarts, options, program }) => ({
        id,
        name: 'app',
        pid: worker?.alive === true ? worker.pid : 0,
        status,
        restarts,
        memoryBytes: 0,
        ...program,
        errorLog: '',
        outLog: '',
        definition: {
          ...options,
          ...(options.max_memory_restart === null ? { max_memory_restart: undefined } : {}),
        },
      }))
  }

  isReplacing(id: number): boolean {
    return this.entries.has(`_old_${id}`)
  }

  start(program: Program, options: Pm2Options, done: Done): void {
    const id = this.nextId
    this.nextId += 1
    this.execute(this.newEntry(id, program, options), done)
  }

  duplicate(id: number, done: Done): void {
    const { program, options } = this.get(id)
    this.start(program, options, done)
  }

  reload(id: number, options: Pm2Options, done: Done): void {
    const old = this.get(id)
    if (old.status !== 'online') return this.restart(id, options, done)
    const aside = `_old_${id}`
    if (this.entries.has(aside)) throw new Error('PM2 refused to reloadProcessId: already being reloaded')
    this.entries.delete(old.key)
    old.key = aside
    this.entries.set(aside, old)
    const fresh = this.newEntry(id, old.program, options)
    fresh.restarts = old.restarts + 1
    let finished = false
    const finish = () => {
      if (finished) return
      finished = true
      this.stopEntry(old, () => {
        this.entries.delete(aside)
        done()
      })
    }
    this.clock.after(options.listen_timeout, finish)
    // Matched by id, not by process: a restart of the same id finishes the reload as well.
    this.reloads.set(id, finish)
    this.execute(fresh, () => undefined)
  }

  restart(id: number, options: Pm2Options, done: Done): void {
    const entry = this.get(id)
    entry.unstable = 0
    entry.createdAt = this.clock.now
    entry.options = options
    if (entry.status !== 'online' && entry.status !== 'launching') return this.startAgain(id, done)
    const wasReady = entry.ready
    this.stopEntry(entry, () => {
      entry.restarts += 1
      const now = this.entries.get(String(id))
      if (this.startsTwice && !wasReady && now !== undefined) this.execute(this.successor(now), done)
      else this.startAgain(id, done)
    })
  }

  private startAgain(id: number, done: Done): void {
    const entry = this.entries.get(String(id))
    if (entry === undefined) return done('id unknown')
    if (entry.status === 'online' || entry.status === 'launching') return done('process already started')
    if (entry.worker?.alive === true) return done('process already exists')
    this.execute(this.successor(entry), done)
  }

  stop(id: number, done: Done): void {
    this.stopEntry(this.get(id), done)
  }

  remove(id: number, done: Done): void {
    const entry = this.get(id)
    this.stopEntry(entry, () => {
      if (this.entries.get(entry.key) === entry) this.entries.delete(entry.key)
      done()
    })
  }

  /** PM2 loses an entry, and its worker goes on. */
  forget(id: number): void {
    this.entries.delete(String(id))
  }

  /** Workers that take traffic outlive it. */
  die(): void {
    this.alive = false
    for (const worker of this.started) worker.outlive()
  }

  private get(id: number): Entry {
    const entry = this.entries.get(String(id))
    if (entry === undefined) throw new Error('PM2 refused: id unknown')
    return entry
  }

  private newEntry(id: number, program: Program, options: Pm2Options): Entry {
    return {
      key: String(id),
      id,
      worker: null,
      status: 'launching',
      options,
      restarts: 0,
      unstable: 0,
      createdAt: this.clock.now,
      startedAt: this.clock.now,
      ready: false,
      program,
    }
  }

  /** Each process has an entry of its own, as PM2 clones it. */
  private successor(entry: Entry): Entry {
    return { ...entry, worker: null, status: 'launching', ready: false }
  }

  private execute(entry: Entry, done: Done): void {
    this.entries.set(entry.key, entry)
    entry.status = 'launching'
    entry.startedAt = this.clock.now
    entry.ready = false
    const isReady = () => {
      if (entry.ready) return
      entry.ready = true
      if (entry.status !== 'errored') entry.status = 'online'
      done()
    }
    const worker = this.spawn(
      () => {
        isReady()
        if (!entry.key.startsWith('_old_')) this.reloads.get(entry.id)?.()
      },
      () => {
        if (!this.alive) return
        // Whoever waits for the start is answered also where the worker has exited, and it counts as online.
        if (entry.worker === worker) isReady()
        this.handleExit(entry, worker)
      },
      entry.program,
    )
    entry.worker = worker
    this.started.push(worker)
    this.clock.after(entry.options.listen_timeout, () => {
      if (entry.worker === worker && worker.alive) isReady()
    })
  }

  private handleExit(entry: Entry, worker: FakeWorker): void {
    // A process of an earlier generation.
    if (entry.worker !== worker || this.entries.get(entry.key) !== entry) return
    const { now } = this.clock
    const stopping = ['stopping', 'stopped', 'errored'].includes(entry.status)
    if (now - entry.createdAt < MIN_UPTIME * MAX_RESTARTS && now - entry.startedAt < MIN_UPTIME)
      entry.unstable += 1
    if (entry.status === 'online' || entry.status === 'launching') entry.status = 'stopped'
    if (entry.unstable >= MAX_RESTARTS) {
      entry.status = 'errored'
      entry.unstable = 0
      return
    }
    if (stopping) return
    entry.restarts += 1
    this.execute(this.successor(entry), () => undefined)
  }

  private stopEntry(entry: Entry, done: Done): void {
    const { worker } = entry
    if (entry.status === 'stopped') return done()
    entry.status = 'stopping'
    if (worker === null || !worker.alive) {
      entry.status = 'stopped'
      return done()
    }
    worker.signal('SIGINT')
    const deadline = this.clock.now + entry.options.kill_timeout
    const look = () => {
      if (!this.alive) return
      if (!worker.alive) {
        entry.status = 'stopped'
        return done()
      }
      if (this.clock.now >= deadline) worker.signal('SIGKILL')
      this.clock.after(LOOK, look)
    }
    this.clock.after(LOOK, look)
  }
}
