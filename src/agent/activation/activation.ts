/** What the steps of one activation share. */
import { Failure } from '../../common/failure.ts'
import type { ActivationStep, JournalEntry } from '../../protocol/messages.ts'
import type { Facts } from './facts.ts'
import type { Job } from './job.ts'
import { type Cause, type Moment, noticeFor, type Notice } from './state.ts'
import type { World } from './world.ts'

export interface Activation {
  readonly world: World
  readonly job: Job
  /** Gathered again when PM2's daemon was replaced. */
  facts: Facts
  /** The step under way, for the message of its failure. */
  during: ActivationStep
}

/** Runs one step, and journals its begin and its end. The text that it returns is told. */
export async function step<T>(
  { world: { journal } }: Activation,
  name: ActivationStep,
  detail: string,
  act: () => Promise<T>,
): Promise<T> {
  await journal.begin(name, detail)
  try {
    const result = await act()
    await journal.done(name, typeof result === 'string' ? result : detail)
    return result
  } catch (error) {
    await journal.failed(name, (error as Error).message)
    throw error
  }
}

/** Tells the workers where the activation is. */
export function tellWorkers(
  { world, facts }: Activation,
  moment: Moment,
  changes: Partial<Notice> = {},
): Promise<void> {
  const notice = noticeFor(moment, facts)
  return world.notify(notice && { ...notice, ...changes })
}

/** A cause as the journal keeps it. */
export function toRecord(cause: Cause): NonNullable<JournalEntry['cause']> {
  return cause instanceof Failure ? cause.toRecord() : cause
}

/** Notes a failure in the journal instead of throwing it. */
export async function bestEffort(world: World, act: Promise<unknown>, problem: string): Promise<void> {
  await act.catch((error: unknown) =>
    world.journal.note('health-check', `${problem}: ${(error as Error).message}`),
  )
}

/** Runs the user's commands, unless an earlier process of the activation has. @throws Failure `hook-failed` */
export async function hook(activation: Activation, name: 'pre-activate' | 'post-activate'): Promise<void> {
  const { world, job, facts } = activation
  const { preActivate, postActivate } = job.request
  const commands = name === 'pre-activate' ? preActivate : postActivate
  if (commands === null || facts.done.has(name)) return
  await step(activation, name, name, () => world.runHook(name, commands, facts.target))
}
