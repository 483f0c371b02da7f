/** The one loop that waits for workers: looks, decides, acts, until there is nothing left to do. */
import { Failure } from '../../common/failure.ts'
import type { Act, Asking, Decide, Seen, Sighting } from './decide.ts'
import type { Ask, World } from './world.ts'

const POLL = 100
/** More looks than any decision asks for. */
const LOOKS = 5

interface Options {
  /** After this the decision is told that there is no more time, in ms. */
  readonly limitMs: number
  /** Between two looks, in ms. */
  readonly pauseMs?: number
  readonly ask?: Ask
}

export interface Converged {
  readonly seen: Seen
  /** Settles when PM2 has answered all that it was asked. @returns what it refused */
  readonly answered: Promise<readonly string[]>
}

/** @throws the Failure that was decided on */
export async function converge(
  world: World,
  decide: Decide,
  { limitMs, pauseMs = POLL, ask = {} }: Options,
): Promise<Converged> {
  const since = world.now()
  const acts: Asking[] = []
  const refused: string[] = []
  const open: Promise<void>[] = []
  let sightings: readonly Sighting[] = []
  let looks: readonly Seen[] = []
  const start = (act: Act) => {
    const index = acts.push({ act, at: world.now(), answered: false }) - 1
    const answer = world.act(act).catch((error: unknown) => void refused.push((error as Error).message))
    open.push(answer.then(() => void (acts[index] = { ...acts[index]!, answered: true })))
  }
  for (;;) {
    const seen = await world.look(ask)
    const now = world.now()
    sightings = remember(sightings, seen)
    const asked = { now, since, late: now - since >= limitMs, acts, refused, sightings, looks }
    const decision = decide(seen, asked)
    if (decision === 'done') return { seen, answered: Promise.all(open).then(() => refused) }
    if (decision instanceof Failure) throw decision
    decision.forEach(start)
    looks = [...looks, seen].slice(-LOOKS)
    await world.sleep(pauseMs)
  }
}

function remember(known: readonly Sighting[], { listed }: Seen): readonly Sighting[] {
  const now = listed.map(({ process: { id, pid }, record }) => ({
    id,
    pid,
    release: record?.release ?? null,
  }))
  const isKnown = (one: Sighting) =>
    known.some(({ id, pid, release }) => id === one.id && pid === one.pid && release === one.release)
  const fresh = now.filter((one) => !isKnown(one))
  return fresh.length === 0 ? known : [...known, ...fresh]
}
