/** The three commands as stories: every line is a phase, in its order. */
import { plural } from '../format.ts'
import type { Project } from '../next/project.ts'
import { nothingKnown, type Outcome, untouched } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { Failure } from '../protocol/failure.ts'
import type { WorkerState } from '../protocol/messages.ts'
import { assemble } from './assemble.ts'
import { bringLive } from './bring-live.ts'
import { build } from './build.ts'
import { connect, type Server } from './connect.ts'
import { recover } from './recover.ts'
import { chooseRelease } from './rollback-target.ts'
import { upload } from './upload.ts'

/** The other two programs, which the action brings to the server. */
export interface Programs {
  readonly agentFile: string
  readonly launcherFile: string
}

export async function deploy(
  plan: Plan,
  project: Project,
  programs: Programs,
  pipeline: Pipeline,
): Promise<Outcome> {
  const { inputs } = plan
  const open = () => connect(plan, { ...programs, persist: !inputs.dryRun })
  let known = nothingKnown
  let server: Server | undefined
  try {
    server = await pipeline.run('connect', open)
    const connected = server
    known = { ...known, live: inputs.dryRun ? connected.facts.live : await recover(connected, pipeline) }
    const output = await pipeline.run('build', () => build(plan, project))
    const manifest = await pipeline.run('assemble', () => assemble(plan, output, programs.launcherFile))
    if (inputs.dryRun) {
      pipeline.skip('upload', `dry run: ${plural(manifest.files.length, 'file')} would become a new release`)
      return { ...untouched(known), succeeded: true }
    }
    const { id, sentBytes } = await pipeline.run('upload', () => upload(plan, connected, output, manifest))
    known = { ...known, release: id, uploadedBytes: sentBytes }
    const goal = { ...known, release: id, kind: 'deploy' } as const
    return await bringLive(plan, connected, async () => (await open()).value, pipeline, goal)
  } catch (error) {
    return { ...untouched(known), failure: Failure.from(error) }
  } finally {
    server?.close()
  }
}

export async function rollback(plan: Plan, programs: Programs, pipeline: Pipeline): Promise<Outcome> {
  const { inputs } = plan
  const open = () => connect(plan, { ...programs, persist: !inputs.dryRun })
  let known = nothingKnown
  let server: Server | undefined
  try {
    server = await pipeline.run('connect', open)
    known = { ...known, live: inputs.dryRun ? server.facts.live : await recover(server, pipeline) }
    const release = await chooseRelease(server.agent, inputs.release)
    known = { ...known, release }
    if (inputs.dryRun) {
      pipeline.skip('verify', `dry run: ${release} would be checked and made live`)
      return { ...untouched(known), succeeded: true }
    }
    const goal = { ...known, release, kind: 'rollback' } as const
    return await bringLive(plan, server, async () => (await open()).value, pipeline, goal)
  } catch (error) {
    return { ...untouched(known), failure: Failure.from(error) }
  } finally {
    server?.close()
  }
}

function serving({ status: pm2Status, phase }: WorkerState): boolean {
  return pm2Status === 'online' && phase === 'open'
}

export async function status(plan: Plan, programs: Programs, pipeline: Pipeline): Promise<Outcome> {
  const known = nothingKnown
  let server: Server | undefined
  try {
    server = await pipeline.run('connect', () => connect(plan, { ...programs, persist: false }))
    const { agent } = server
    const found = await pipeline.run('status', async () => {
      const value = await agent.call('status', {})
      const lock = value.lock === null ? '' : `; locked by ${value.lock}`
      const broken = value.interrupted === null ? '' : '; a deploy was interrupted: the next run recovers it'
      const counts = `${plural(value.releases.length, 'release')}, ${plural(value.workers.length, 'worker')}`
      return { value, detail: counts + lock + broken }
    })
    const { live, served, releases, workers } = found
    const healthy = served !== null && served === live && workers.every(serving)
    return {
      ...untouched({ ...known, live: served }),
      status: healthy ? 'live' : 'down',
      succeeded: true,
      releases,
      workers,
    }
  } catch (error) {
    return { ...untouched(known), failure: Failure.from(error) }
  } finally {
    server?.close()
  }
}
