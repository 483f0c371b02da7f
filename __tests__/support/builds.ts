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

/** Two copies of the example app, built but for one text the same, to deploy with `build-command: none`. */
export async function buildsOfExample(): Promise<Readonly<Record<Build, Workspace>>> {
  // Made and removed by setup.mjs and teardown.mjs.
  const folder = process.env['GAPLESS_TEST_BUILDS']!
  const builds = { first: workspaceAt(join(folder, 'first')), second: workspaceAt(join(folder, 'second')) }
  if (!existsSync(builds.second.path)) await buildBoth(builds)
  return { first: builds.first.copyBuilt(), second: builds.second.copyBuilt() }
}

async function buildBoth(builds: Readonly<Record<Build, Workspace>>): Promise<void> {
  const server = await startServer()
  const checkout = checkOut()
  try {
    for (const message of ['first', 'second'] as const) {
      checkout.setMessage(message)
      const run = await runAction({
        workspace: checkout.path,
        inputs: {
          ...server.inputs,
          'dry-run': 'true',
          'install-command': message === 'first' ? '' : 'none',
        },
      })
      if (run.code !== 0) throw new Error(run.log)
      checkout.copyBuilt(builds[message].path)
    }
  } finally {
    checkout.remove()
    await server.stop()
  }
}
