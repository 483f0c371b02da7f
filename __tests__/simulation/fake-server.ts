/** A server with one app: what is on its disk, its PM2, its workers, and what visitors get. */
import type { Pm2Options } from '../../src/agent/pm2/client.ts'
import type { Job } from '../../src/agent/activation/job.ts'
import type { Notice } from '../../src/agent/activation/state.ts'
import type { Replaced } from '../../src/agent/activation/replaced.ts'
import type { JournalEntry, Runtime } from '../../src/protocol/messages.ts'
import type { WorkerRecord } from '../../src/worker/worker-record.ts'
import { runtimeWith } from '../agent/releases-on-disk.ts'
import type { Clock } from './clock.ts'
import { FakePm2, type Program } from './fake-pm2.ts'
import { type Fate, FakeWorker, good } from './fake-worker.ts'

export const ours: Program = {
  script: '/app/current/.gapless/launcher.cjs',
  cwd: '/app/current',
  mode: 'cluster_mode',
}

export interface FakeRelease {
  verified: number | null
  /** Of its n-th worker. */
  fate(index: number): Fate
}

/** A process of an activation. */
export interface FakeProcess {
  readonly pid: number
  alive: boolean
}

export interface HookRun {
  readonly activation: string
  readonly name: 'pre-activate' | 'post-activate'
  readonly from: number
  readonly until: number
}

export class FakeServer {
  readonly runtime: Runtime
  readonly releases = new Map<string, FakeRelease>()
  readonly workers: FakeWorker[] = []
  readonly hooks: HookRun[] = []
  readonly jobs = new Map<string, Job>()
  journal: JournalEntry[] = []
  current: string | null = null
  notice: (Notice & { readonly target: string; readonly owner: FakeProcess }) | null = null
  lock: { readonly owner: FakeProcess; readonly activation: string } | null = null
  /** The process of each activation that is writing its verdict. */
  readonly ending = new Map<string, FakeProcess>()
  replaced: Replaced | null = null
  pm2: FakePm2
  diskFull = false
  /** Setup has brought another Node than PM2's daemon runs on. */
  hasNewNode = false
  /** In bytes. */
  freeMemory = Infinity
  /** What is different from `runtime`, by release. */
  readonly runtimes = new Map<string, Partial<Runtime>>()
  /** How many workers ran at once, at each start of one. */
  readonly crowd: number[] = []
  reserves = new Set<string>()
  /** Activations whose runs were cancelled. */
  readonly withdrawn = new Set<string>()
  private nextPid = 100
  private readonly started = new Map<string, number>()

  readonly clock: Clock

  constructor(clock: Clock, changes: Partial<Runtime> = {}) {
    this.clock = clock
    const health = { ...runtimeWith().health, timeoutMs: 5000 }
    this.runtime = runtimeWith({ instances: 2, observeMs: 500, health, ...changes })
    this.pm2 = this.newDaemon()
  }

  newProcess(): FakeProcess {
    return { pid: this.newPid(), alive: true }
  }

  /** PM2's daemon, started where none runs. */
  daemon(): FakePm2 {
    if (!this.pm2.alive) this.pm2 = this.newDaemon()
    return this.pm2
  }

  killDaemon(): void {
    this.pm2.die()
  }

  records(): readonly WorkerRecord[] {
    return this.workers.flatMap(({ record }) => record ?? [])
  }

  /** The releases that visitors get. */
  serving(): ReadonlySet<string> {
    return new Set(this.workers.filter(({ serves }) => serves).map(({ release }) => release))
  }

  /** Whoever takes traffic, well or not. */
  open(): ReadonlySet<string> {
    const open = this.workers.filter(({ alive, phase }) => alive && phase === 'open')
    return new Set(open.map(({ release }) => release))
  }

  /** Brings a release live as an earlier deploy has. */
  async settle(release: string, options: Pm2Options, fate: Fate = good): Promise<void> {
    this.releases.set(release, { verified: this.releases.size + 1, fate: () => fate })
    this.current = release
    for (let index = 0; index < this.runtime.instances; index += 1)
      this.pm2.start(ours, options, () => undefined)
    await this.clock.runUntil(() => this.workers.every(({ serves }) => serves), 10_000)
  }

  private newDaemon(): FakePm2 {
    const spawn = (onReady: () => void, onExit: () => void, program: Program) => {
      const release = program.script === ours.script ? (this.current ?? 'nothing') : 'foreign'
      const index = this.started.get(release) ?? 0
      this.started.set(release, index + 1)
      const around = {
        clock: this.clock,
        observeMs: this.runtime.observeMs,
        // Only the launcher reads it.
        notice: () =>
          program.script === ours.script
            ? this.notice && { ...this.notice, alive: this.notice.owner.alive }
            : null,
        others: () => this.records(),
      }
      const fate = this.releases.get(release)?.fate(index) ?? good
      const worker = new FakeWorker({ pid: this.newPid(), release, fate }, around, onReady, onExit)
      this.workers.push(worker)
      this.crowd.push(this.workers.filter(({ alive }) => alive).length)
      return worker
    }
    return new FakePm2(this.newPid(), this.clock, spawn)
  }

  private newPid(): number {
    this.nextPid += 1
    return this.nextPid
  }
}
