/**
 * The commands as stories, in order. `withHosts` connects first. `rollOut` has the phases of a release that goes live:
 * verify, swap, canary, reload, health-check, watch, rollback, cleanup.
 */
import type { Project } from '../next/project.ts'
import type { Outcome } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { Programs } from '../agent-client/programs.ts'
import type { Host } from '../hosts/host.ts'
import { assemble } from '../phases/assemble.ts'
import { rollOut } from '../phases/roll-out-all-hosts.ts'
import { stage } from '../phases/stage.ts'
import { chooseStaged } from '../phases/staged-target.ts'
import type { Target } from '../phases/target.ts'
import { build } from '../phases/build.ts'
import { encryptionKey } from '../phases/encryption-key.ts'
import { recover } from '../phases/recover.ts'
import { dryRunDeploy, dryRunRollback } from './dry-run.ts'
import { chooseRelease } from '../phases/rollback-target.ts'
import { explainMissing, explanationOf } from '../phases/missing-files.ts'
import { lookAt } from './status.ts'
import { uploadToAll } from '../phases/upload.ts'
import { limitPreviews, preparePreview, removeFrom } from './preview.ts'
import { type Findings, withHosts } from './with-hosts.ts'

/** A command, from the first connection to the outcome. */
export type Story = (plan: Plan, programs: Programs, pipeline: Pipeline) => Promise<Outcome>

export function deploy(project: Project): Story {
  return (plan, programs, pipeline) =>
    withHosts(plan, programs, pipeline, (hosts, known) =>
      deployTo(hosts, known, { plan, programs, pipeline, project }),
    )
}

export function preview(project: Project): Story {
  return (plan, programs, pipeline) =>
    withHosts(plan, programs, pipeline, async (hosts, known) => {
      const notes = await preparePreview(plan, hosts, pipeline)
      const outcome = await deployTo(hosts, known, { plan, programs, pipeline, project })
      const removed = outcome.status === 'live' ? await limitPreviews(plan, hosts, pipeline) : []
      return { ...outcome, preview: { ...notes, removed: [...notes.removed, ...removed] } }
    })
}

export const removePreview: Story = (plan, programs, pipeline) =>
  withHosts(plan, programs, pipeline, (hosts, known) => removeFrom(plan, hosts, known, pipeline))

interface Deploying {
  readonly plan: Plan
  readonly programs: Programs
  readonly pipeline: Pipeline
  readonly project: Project
}

/** Also `stage`, which ends where a deploy would swap. */
async function deployTo(
  hosts: readonly Host[],
  known: Findings,
  { plan, programs, pipeline, project }: Deploying,
): Promise<Outcome> {
  const { 'dry-run': dryRun } = plan.inputs
  if (!dryRun) known.live = await recover(plan, hosts, pipeline)
  const output = await pipeline.run('build', async () => {
    // One build for all: the first host's key counts.
    const key = await encryptionKey(plan, project.directory, hosts[0]!.agent(), pipeline.log)
    return build(plan, project, hosts, key, pipeline.log)
  })
  const assembled = await pipeline.run('assemble', () =>
    assemble(plan, output, programs.launcherFile, hosts, pipeline.log),
  )
  if (dryRun) return dryRunDeploy(plan, hosts, output, assembled, known, pipeline)
  const count = (bytes: number) => (known.uploadedBytes += bytes)
  const { id, sent } = await uploadToAll(plan, hosts, output, assembled, pipeline, count)
  Object.assign(known, { release: id, sent })
  const explain = (log: string) => explanationOf(output, log)
  const target: Target = { ...known, release: id, replaces: null, kind: 'deploy', explain }
  const finish = plan.inputs.command === 'stage' ? stage : rollOut
  return explainMissing(output, () => finish(plan, hosts, pipeline, target))
}

/** Activates a release that the servers have already. */
function activate(kind: 'rollback' | 'promote', choose: typeof chooseRelease): Story {
  return (plan, programs, pipeline) =>
    withHosts(plan, programs, pipeline, async (hosts, known) => {
      const { 'dry-run': dryRun } = plan.inputs
      if (!dryRun) known.live = await recover(plan, hosts, pipeline)
      const { release, replaces } = await choose(plan, hosts, pipeline)
      known.release = release
      if (dryRun) return dryRunRollback(plan, hosts, known, pipeline)
      return rollOut(plan, hosts, pipeline, { ...known, release, replaces, kind })
    })
}

export const rollback = activate('rollback', chooseRelease)
export const promote = activate('promote', chooseStaged)

export const status: Story = (plan, programs, pipeline) =>
  withHosts(plan, programs, pipeline, (hosts) => lookAt(plan, hosts, pipeline))
