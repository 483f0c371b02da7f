/** A host as a run reaches it: the operations that roll a release out, answered by a fake server. */
import type { AgentSession } from '../../src/agent-client/agent-session.ts'
import { Failure } from '../../src/common/failure.ts'
import type { Host } from '../../src/hosts/host.ts'
import type { ActivationRequest, JournalEntry, ServerFacts, Verdict } from '../../src/protocol/messages.ts'
import type { FakeServer } from './fake-server.ts'
import type { Plan } from './plan.ts'
import { type Session, watch } from './session.ts'

/** What happens between the run and this host. Times in ms. */
export interface Line {
  readonly rejects: boolean
  /** From when on nobody reaches it, since the run began. */
  readonly unreachableAt: number | null
  /** The first request of an activation never arrives. */
  readonly unheard: boolean
  /** A call that takes longer loses its connection. */
  readonly losesAfter: number | null
  readonly repeats: boolean
  /** How long the runner stands still before it asks for an activation. */
  readonly frozen: number
}

const MESSAGE = 5
const RECONNECT = 300
const POLL = 200
/** After so many losses in a row the runner gives up. */
const TRIES = 17
/** A session starts the process of an activation once more. */
const ATTEMPTS = 2

type OnEvent = (value: unknown) => void

export class FakeHost implements Host {
  readonly facts: ServerFacts
  readonly base = undefined as never
  verified = false
  cleanedUp = false
  discarded = false
  /** Why nobody can say how an activation ended here. */
  unseen: 'unreachable' | 'lost' | 'died' | null = null
  /** The first one is the deploy. */
  readonly requests: ActivationRequest[] = []
  readonly name: string
  readonly server: FakeServer
  private readonly plan: Plan
  private readonly line: Line
  private readonly crashes: Plan['crashes']
  private readonly onActivate: (host: FakeHost, request: ActivationRequest) => void
  private readonly sessions = new Map<string, Session>()
  private readonly since: number
  private losses = 0

  constructor(
    { name, server }: { readonly name: string; readonly server: FakeServer },
    plan: Plan,
    { line, crashes }: { readonly line: Line; readonly crashes: Plan['crashes'] },
    onActivate: FakeHost['onActivate'],
  ) {
    this.name = name
    this.server = server
    this.plan = plan
    this.line = line
    this.crashes = crashes
    this.onActivate = onActivate
    this.since = server.clock.now
    this.facts = { serving: server.current } as ServerFacts
  }

  agent(): AgentSession {
    const call = (operation: string, params: object, options: { readonly onEvent?: OnEvent } = {}) =>
      this.call(operation, params, options.onEvent ?? (() => undefined))
    return { call } as unknown as AgentSession
  }

  async reconnect(): Promise<void> {
    await this.server.clock.sleep(RECONNECT)
    this.assertReachable()
  }

  close(): void {}

  /** The verdict of the deploy, whether the run has seen it or not. */
  deployed(): Verdict | null {
    const [first] = this.requests
    return first === undefined ? null : this.sessions.get(first.activation)!.verdict()
  }

  isUnreachable(): boolean {
    const { unreachableAt } = this.line
    return unreachableAt !== null && this.server.clock.now - this.since >= unreachableAt
  }

  private assertReachable(): void {
    if (!this.isUnreachable()) return
    this.unseen = 'unreachable'
    throw lost()
  }

  private async call(operation: string, params: object, onEvent: OnEvent): Promise<unknown> {
    const { clock } = this.server
    await clock.sleep(MESSAGE)
    if (operation === 'activate' || operation === 'watch') this.assertReachable()
    if (this.isUnreachable()) throw lost()
    switch (operation) {
      case 'verify':
        await clock.sleep(1000)
        if (this.line.rejects) throw new Failure('candidate-died', 'The candidate exited.')
        this.verified = true
        return { bootMs: 1000, status: 200, attempts: 1, movedPorts: [], notFound: '', cache: null }
      case 'activate':
        return this.activate(params as ActivationRequest, onEvent)
      case 'watch':
        return this.follow((params as ActivationRequest).activation, onEvent)
      case 'discard':
        this.discarded = true
        return { removed: true }
      case 'cleanup':
        this.cleanedUp = true
        return { removed: [], inUse: [], kept: [], leftTo: null, written: [] }
      default:
        throw new Error(`the fake host does not know ${operation}`)
    }
  }

  private async activate(request: ActivationRequest, onEvent: OnEvent): Promise<Verdict> {
    const { server, plan, line, crashes } = this
    await server.clock.sleep(line.frozen)
    this.assertReachable()
    if (line.unheard && this.sessions.size === 0) throw lost()
    this.onActivate(this, request)
    this.requests.push(request)
    const session = watch(server, plan, request, crashes)
    this.sessions.set(request.activation, session)
    if (line.repeats) server.clock.after(50, session.repeat)
    return this.follow(request.activation, onEvent)
  }

  /** As a session does: see `follow` in agent/activation/start.ts. */
  private async follow(activation: string, onEvent: OnEvent): Promise<Verdict> {
    const { server, line } = this
    const { clock } = server
    const session = this.sessions.get(activation)
    if (session === undefined) throw new Failure('unknown-activation', 'The activation never began.')
    const endedBefore = session.ended()
    const begun = clock.now
    let read = 0
    for (;;) {
      const own = server.journal.filter((entry) => entry.activation === activation)
      for (const entry of own.slice(read)) onEvent(entry)
      read = own.length
      const verdict = session.verdict() ?? probation(own, session)
      if (verdict !== null) {
        this.losses = 0
        return verdict
      }
      if (session.ended() - endedBefore >= ATTEMPTS) {
        this.unseen = 'died'
        throw new Failure('activation-died', 'The activation died twice.')
      }
      await clock.sleep(POLL)
      this.assertReachable()
      if (line.losesAfter === null || clock.now - begun < line.losesAfter) continue
      this.losses += 1
      if (this.losses > TRIES) this.unseen = 'lost'
      throw lost()
    }
  }
}

function probation(own: readonly JournalEntry[], session: Session): Verdict | null {
  const found = own.findLast((entry) => entry.probation !== null)?.probation ?? null
  const isRestoring = own.some(({ step }) => step === 'rollback')
  if (found === null || isRestoring || !session.running()) return null
  return { ...found.verdict, watch: { open: true, line: '', warnings: [] } }
}

function lost(): Failure {
  return new Failure('connection-lost', 'The connection was lost.')
}
