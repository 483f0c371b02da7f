/**
 * Records the job summaries of real runs, for the pictures: the bundled action deploys the example app, well and badly,
 * to three hosts of this machine, each with a network, an SSH server and a PM2 of its own. It needs root.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Fleet, startFleet } from '../../__tests__/support/fleet.ts'
import { runAction } from '../../__tests__/support/runner.ts'
import { checkOut, type Workspace } from '../../__tests__/support/workspace.ts'

type Inputs = Readonly<Record<string, string>>

interface Run {
  readonly name: string
  readonly workspace: Workspace
  /** Those of the hosts that it goes to. */
  readonly to: Inputs
  readonly inputs?: Inputs
  /** What it has to end with: a picture of something else is worth nothing. */
  readonly status: string
}

const built = { 'install-command': 'none', 'build-command': 'none' }
const noInstall = { 'install-command': 'none' }

/** @param folder where a file `<name>.md` of each run is left */
export async function record(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const fleet = await startFleet(3)
  const checkout = checkOut()
  try {
    let number = 0
    for await (const run of story(fleet, checkout)) {
      number += 1
      const summary = await perform(run, number)
      if (!run.name.startsWith('-')) writeFileSync(join(folder, `${run.name}.md`), summary)
    }
  } finally {
    await fleet.stop()
    checkout.remove()
  }
}

/** Each run as the one before it left the hosts. Names that begin with a dash only prepare the next. */
async function* story(fleet: Fleet, checkout: Workspace): AsyncGenerator<Run, void, undefined> {
  const [one, two] = fleet.hosts
  const single = { to: one!.inputs, workspace: checkout }
  yield { ...single, name: '-first', status: 'live' }
  checkout.setMessage('second')
  yield { ...single, name: 'success', inputs: noInstall, status: 'live' }
  checkout.setMessage('third')
  yield { ...single, name: 'dry-run', inputs: { ...noInstall, 'dry-run': 'true' }, status: 'kept' }

  const serverFile = '.next/standalone/server.js'
  const server = checkout.read(serverFile)
  const broken = { ...single, inputs: built }
  checkout.write(serverFile, `throw new Error('DATABASE_URL is not set')\n${server}`)
  yield { ...broken, name: 'kept', status: 'kept' }
  // Only once PM2 runs it, and after it was ready: no check beforehand can find it.
  const dies = `console.error('Error: connect ECONNREFUSED 127.0.0.1:6379'); process.exit(1)`
  const dying = `if (process.env.pm_id !== undefined) setTimeout(() => { ${dies} }, 1500)`
  checkout.write(serverFile, `${dying}\n${server}`)
  yield { ...broken, name: 'restored', status: 'restored' }
  yield { ...broken, name: 'down', to: two!.inputs, status: 'down' }
  checkout.write(serverFile, server)

  yield { ...single, name: 'rollback', inputs: { command: 'rollback' }, status: 'live' }
  yield { ...single, name: 'status', inputs: { command: 'status' }, status: 'live' }
  const all = { to: fleet.inputs, inputs: built }
  yield { ...all, name: '-everywhere', workspace: checkout, status: 'live' }
  checkout.setMessage('fourth')
  yield { ...all, name: 'hosts', workspace: checkout, inputs: noInstall, status: 'live' }
}

async function perform({ name, workspace, to, inputs = {}, status }: Run, number: number): Promise<string> {
  const { outputs, summary, log } = await runAction({
    workspace: workspace.path,
    inputs: { ...to, 'app-name': 'shop', 'drain-timeout': '10s', ...inputs },
    env: {
      GITHUB_REPOSITORY: 'acme/shop',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_SHA: createHash('sha1').update(name).digest('hex'),
      GITHUB_ACTOR: number % 2 === 0 ? 'bob' : 'ann',
      GITHUB_WORKFLOW: 'Deploy',
      GITHUB_RUN_NUMBER: String(127 + number),
      GITHUB_RUN_ID: String(18_446_744 + number),
      GITHUB_ACTION_REPOSITORY: 'your-org/gapless',
      GITHUB_ACTION_REF: 'v1',
    },
  })
  console.log(`${name}: ${outputs['status']}`)
  if (outputs['status'] !== status)
    throw new Error(`${name} ended ${outputs['status']}, not ${status}:\n${log}`)
  return summary
}
