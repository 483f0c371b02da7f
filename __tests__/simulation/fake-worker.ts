/** A worker as the launcher makes it: private port, proof, front door, drain. */
import type { WorkerRecord } from '../../src/worker/worker-record.ts'
import type { Clock } from './clock.ts'

/** What happens to one worker, in ms since its start; null: never. */
export interface Fate {
  readonly bootMs: number
  /** It exits while it boots. */
  readonly diesAtBoot: boolean
  /** It never finishes booting, and hears no signal. */
  readonly hangsAtBoot: boolean
  /** So long after its door opened. */
  readonly diesAfter: number | null
  readonly hangsAfter: number | null
  readonly sickAfter: number | null
  readonly drainMs: number
}

export const good: Fate = {
  bootMs: 200,
  diesAtBoot: false,
  hangsAtBoot: false,
  diesAfter: null,
  hangsAfter: null,
  sickAfter: null,
  drainMs: 300,
}

/** What the server tells a worker. */
export interface Surroundings {
  readonly clock: Clock
  /** The notice of an activation, and whether its process lives. */
  notice(): {
    readonly target: string
    readonly observe: boolean
    readonly stay: number
    readonly halt: boolean
    readonly alive: boolean
  } | null
  observeMs: number
  /** The records of all workers. */
  others(): readonly WorkerRecord[]
}

const REPORT = 20
const TICK = 50
/** Of orphans: see worker/orphan.ts. */
const LOOK = 250
const STABLE = 1000

export class FakeWorker {
  alive = true
  phase: WorkerRecord['phase'] = 'booting'
  hung = false
  sick = false
  private reported = false
  private leaving = false
  private leavesAt: number | null = null
  private orphaned: WorkerRecord['orphaned'] = null

  readonly pid: number
  readonly release: string
  private readonly fate: Fate
  private readonly around: Surroundings
  private readonly onReady: () => void
  private readonly onExit: () => void

  constructor(
    { pid, release, fate }: { readonly pid: number; readonly release: string; readonly fate: Fate },
    around: Surroundings,
    onReady: () => void,
    onExit: () => void,
  ) {
    this.pid = pid
    this.release = release
    this.fate = fate
    this.around = around
    this.onReady = onReady
    this.onExit = onExit
    const { clock } = around
    clock.after(REPORT, () => {
      this.reported = true
    })
    if (fate.hangsAtBoot) {
      this.hung = true
      return
    }
    const notice = around.notice()
    if (notice?.alive === true && notice.halt) {
      clock.after(REPORT, () => {
        this.phase = 'halted'
        this.ifAlive(onReady)
      })
      return
    }
    clock.after(fate.bootMs, () => this.ifAlive(() => this.prove()))
  }

  get record(): WorkerRecord | null {
    if (!this.alive || !this.reported) return null
    const { pid, release, phase, leavesAt } = this
    const listens = phase === 'open' || phase === 'draining'
    return {
      pid,
      startTime: String(pid),
      release,
      candidate: false,
      phase,
      port: listens ? 40_000 + pid : 0,
      doorPort: listens ? 3000 : 0,
      leavesAt,
      detail: '',
      excerpt: '',
      movedPorts: null,
      cache: null,
      outlives: true,
      orphaned: this.orphaned,
      traffic: null,
    }
  }

  /** Takes connections, and answers them well. */
  get serves(): boolean {
    return this.alive && this.phase === 'open' && !this.hung && !this.sick
  }

  signal(name: 'SIGINT' | 'SIGKILL'): void {
    if (!this.alive) return
    if (name === 'SIGKILL') return this.exit()
    if (this.hung || this.leaving) return
    this.leaving = true
    if (this.phase === 'open') this.stay()
    else this.around.clock.after(10, () => this.exit())
  }

  /** PM2's daemon has died. A worker behind its door dies with it, and one that takes traffic goes on. */
  outlive(): void {
    if (!this.alive) return
    if (this.phase === 'draining') return
    if (this.phase !== 'open') return this.exit()
    this.orphaned = { since: this.around.clock.now, beside: [] }
    let stable: number | null = null
    const look = () => {
      const attached = this.around.others().filter(({ orphaned }) => orphaned === null)
      const serving = attached.some(({ phase }) => phase === 'open')
      const coming = attached.some(({ phase }) => phase === 'booting' || phase === 'proving')
      const { now } = this.around.clock
      stable = serving && !coming ? (stable ?? now) : null
      const isOver = stable !== null && now - stable >= STABLE && this.around.notice()?.alive !== true
      if (isOver && this.phase === 'open') return this.signal('SIGINT')
      this.around.clock.after(LOOK, () => this.ifAlive(look))
    }
    look()
  }

  private prove(): void {
    if (this.fate.diesAtBoot) return this.exit()
    if (this.leaving) return
    this.phase = 'proving'
    const notice = this.around.notice()
    const onTrial = notice?.alive === true && notice.target === this.release && notice.observe
    this.around.clock.after(onTrial ? this.around.observeMs : 10, () => this.ifAlive(() => this.open()))
  }

  private open(): void {
    if (this.leaving) return
    this.phase = 'open'
    this.onReady()
    const { diesAfter, hangsAfter, sickAfter } = this.fate
    const later = (ms: number | null, act: () => void) => {
      if (ms !== null) this.around.clock.after(ms, () => this.ifAlive(act))
    }
    later(diesAfter, () => this.exit())
    later(hangsAfter, () => {
      this.hung = true
    })
    later(sickAfter, () => {
      this.sick = true
    })
  }

  private stay(): void {
    const { clock } = this.around
    const told = clock.now
    let notice = this.around.notice()
    if (notice?.alive !== true) return this.drain()
    const look = () => {
      notice = this.around.notice()
      const stays = notice !== null && notice.target !== this.release && clock.now - told < notice.stay
      if (!stays || notice === null) return this.drain()
      this.leavesAt = told + notice.stay
      clock.after(TICK, () => this.ifAlive(look))
    }
    look()
  }

  private drain(): void {
    this.phase = 'draining'
    this.around.clock.after(this.fate.drainMs, () => this.ifAlive(() => this.exit()))
  }

  /** One whose event loop stands still does nothing more. */
  private ifAlive(act: () => void): void {
    if (this.alive && !this.hung) act()
  }

  private exit(): void {
    if (!this.alive) return
    this.alive = false
    this.onExit()
  }
}
