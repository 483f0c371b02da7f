/** A release that an activation goes to, or back to. */
import type { Runtime } from '../../protocol/messages.ts'
import type { Layout } from '../store/layout.ts'
import { readInfo, readRuntime } from '../store/releases.ts'

export interface Goal {
  readonly release: string
  readonly runtime: Runtime
  /** Its server.js, relative to the release. */
  readonly entry: string
}

/** @throws Failure `release-damaged` */
export async function readGoal(layout: Layout, release: string): Promise<Goal> {
  const [runtime, { entry }] = await Promise.all([readRuntime(layout, release), readInfo(layout, release)])
  return { release, runtime, entry }
}
