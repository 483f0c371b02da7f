/** What the preview commands do besides a deploy: look before it, remove other previews, and remove this one. */
import { formatAge } from '../common/format.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { type Known, type Outcome, type PreviewNotes, untouched } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { PrunedPreview } from '../protocol/messages.ts'

/** Looks whether there is room for the preview, after it has removed the expired ones. */
export async function preparePreview(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
): Promise<PreviewNotes> {
  const { inputs } = plan
  const expired = inputs['dry-run'] ? [] : await prune(plan, hosts, pipeline, 'connect', null)
  const memoryBytes = inputs.runtime.maxMemoryBytes ?? 0
  const seen = await onEach(hosts, inputs['max-parallel'], pipeline, (host) =>
    host.agent().call('preparePreview', { memoryBytes }),
  )
  const unreachable = seen.flatMap(({ unreachable: obstacle }, index) => {
    if (obstacle === null) return []
    const { user, path, commands } = obstacle
    const { name } = hosts[index]!
    const where = name === null ? 'on the server' : `on ${name}`
    return [`User ${user} cannot enter or connect to \`${path}\`. Run \`${commands}\` ${where}.`]
  })
  for (const line of unreachable) pipeline.log.warning(line)
  return { sharesUser: seen.some(({ sharesUser }) => sharesUser), unreachable, removed: expired }
}

export function limitPreviews(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
): Promise<readonly string[]> {
  return prune(plan, hosts, pipeline, 'cleanup', plan.inputs['preview-limit'])
}

export async function removeFrom(
  plan: Plan,
  hosts: readonly Host[],
  known: Known,
  pipeline: Pipeline,
): Promise<Outcome> {
  const { preview, 'dry-run': dryRun, 'lock-timeout': lockTimeoutMs, 'max-parallel': atOnce } = plan.inputs
  const seen = await onEach(hosts, atOnce, pipeline, (host, log) =>
    log.run('cleanup', async () => {
      const value = await host.agent().call('removePreview', { lockTimeoutMs, dryRun })
      const done = dryRun ? 'would be removed' : 'was removed'
      return { value, detail: value.found ? `preview ${preview} ${done}` : `there is no preview ${preview}` }
    }),
  )
  const release = seen.find((host) => host.release !== null)?.release ?? null
  if (dryRun) return { ...untouched(known), succeeded: true }
  const removed = await prune(plan, hosts, pipeline, 'cleanup', null)
  return {
    ...untouched({ ...known, live: null }),
    status: 'removed',
    succeeded: true,
    previousRelease: release,
    preview: { sharesUser: false, unreachable: [], removed },
  }
}

/** A preview that cannot be removed is no reason to fail. @returns what happened, for people */
async function prune(
  { inputs }: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
  phase: 'connect' | 'cleanup',
  limit: number | null,
): Promise<readonly string[]> {
  const params = { ttlMs: inputs['preview-ttl'], limit }
  const lists = await onEach(hosts, inputs['max-parallel'], pipeline, async (host, log) => {
    const { removed } = await host.agent().call('prunePreviews', params)
    const lines = removed.map(describe)
    if (lines.length > 0) await log.run(phase, async () => ({ value: null, detail: lines.join('; ') }))
    return lines
  }).catch((error: unknown) => {
    pipeline.log.warning(`Could not remove old previews: ${(error as Error).message}`)
    return []
  })
  return [...new Set(lists.flat())]
}

function describe({ name, reason, deployed, problem }: PrunedPreview): string {
  const age = `deployed ${formatAge(Date.now() - Date.parse(deployed))}`
  const why = reason === 'ttl' ? `\`preview-ttl\`, ${age}` : `\`preview-limit\`, ${age}`
  return problem === null
    ? `removed preview ${name} (${why})`
    : `could not remove preview ${name} (${why}): ${problem}`
}
