import { buildExample } from '../__tests__/support/builds.ts'
import type { Workspace } from '../__tests__/support/workspace.ts'

/** Builds the example app, once. The caller removes it. */
export async function builtExample(): Promise<Workspace> {
  const { first, second } = await buildExample()
  second.remove()
  return first
}
