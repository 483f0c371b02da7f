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

/** Made and removed by setup.mjs and teardown.mjs. */
const sharedBuild = (build: Build) => join(process.env['GAPLESS_TEST_BUILDS']!, build)

/** A copy of a build that all suites share, to deploy with `build-command: none`. The caller removes it. */
export async function buildOfExample(build: Build): Promise<Workspace> {
  const folders = { first: sharedBuild('first'), second: sharedBuild('second') }
  if (!existsSync(folders.first) || !existsSync(folders.second)) await buildExample(folders)
  return workspaceAt(folders[build]).copyBuilt()
}

/** Saves the other suites a build that this one had to make anyway. */
export function shareBuild(build: Build, workspace: Workspace): void {
  if (!existsSync(sharedBuild(build))) workspace.copyBuilt(sharedBuild(build))
}

/**
 * Builds the example app twice: the two differ in one text.
 * @param folders where the builds go; new ones by default, which are the caller's to remove
 */
export async function buildExample(
  folders: Readonly<Partial<Record<Build, string>>> = {},
): Promise<Readonly<Record<Build, Workspace>>> {
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
