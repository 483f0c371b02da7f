/**
 * Builds of the example app that the suites share: each is made once in a run of the tests, by the action's own dry run,
 * and copied for whoever asks for it.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runAction } from './runner.ts'
import { startServer } from './server.ts'
import { checkOut, type Workspace, workspaceAt } from './workspace.ts'

/** The text on the pages, by which one build is told from the other. */
export type Build = 'first' | 'second'

type Builds = Readonly<Record<Build, Workspace>>

/** Copies of the builds that all suites share, to deploy with `build-command: none`. */
export async function buildsOfExample(): Promise<Builds> {
  // Made and removed by setup.mjs and teardown.mjs.
  const folder = process.env['GAPLESS_TEST_BUILDS']!
  const [first, second] = [join(folder, 'first'), join(folder, 'second')]
  if (!existsSync(second)) await buildExample({ first, second })
  return { first: workspaceAt(first).copyBuilt(), second: workspaceAt(second).copyBuilt() }
}

/**
 * Builds the example app twice: the two differ in one text.
 * @param folders where the builds go; new ones by default, which are the caller's to remove
 */
export async function buildExample(folders: Readonly<Partial<Record<Build, string>>> = {}): Promise<Builds> {
  const server = await startServer()
  const checkout = checkOut()
  const build = async (message: Build, more: Readonly<Record<string, string>> = {}) => {
    checkout.setMessage(message)
    const inputs = { ...server.inputs, 'dry-run': 'true', ...more }
    const { code, log } = await runAction({ workspace: checkout.path, inputs })
    if (code !== 0) throw new Error(log)
    return checkout.copyBuilt(folders[message])
  }
  try {
    const first = await build('first')
    return { first, second: await build('second', { 'install-command': 'none' }) }
  } finally {
    checkout.remove()
    await server.stop()
  }
}
