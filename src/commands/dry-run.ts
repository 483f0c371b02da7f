/** dry-run: what would be sent and removed on each host, and what would be in the way. */
import { formatBytes, joined, plural, withoutFullStop } from '../common/format.ts'
import {
  type DryRun,
  type HostOutcome,
  type Known,
  nothingMore,
  type Outcome,
  untouched,
} from '../outcome.ts'
import type { Done, Log, Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { Finding, Result } from '../protocol/messages.ts'
import { type Manifest, totalSize } from '../transfer/manifest.ts'
import type { Packer } from '../transfer/packer.ts'
import { missingFiles } from '../transfer/stream.ts'
import type { Assembled } from '../phases/assemble.ts'
import type { Built } from '../phases/build.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { offer } from '../phases/transfer.ts'

/** Files listed in the log. The summary lists fewer. */
const MOST_LINES = 2000

/** A deploy, up to what would be sent. */
export async function dryRunDeploy(
  plan: Plan,
  hosts: readonly Host[],
  output: Built,
  { manifest, packer }: Assembled,
  known: Known,
  pipeline: Pipeline,
): Promise<Outcome> {
  return dryRun(hosts, plan, known, pipeline, async (host, log) => {
    const { sending, lack } = await compare(host, output, manifest, packer)
    for (const line of listOf(sending)) log.info(line)
    const met = await ask(plan, host, null)
    // Nothing is removed before something newer is live.
    const pruned = plan.inputs.command === 'stage' ? [] : met.pruned
    return { sending, pruned, findings: [...met.findings, ...lack] }
  }).finally(() => packer.close())
}

/** A rollback, or a promote. @param known with the release to activate */
export function dryRunRollback(
  plan: Plan,
  hosts: readonly Host[],
  known: Known,
  pipeline: Pipeline,
): Promise<Outcome> {
  return dryRun(hosts, plan, known, pipeline, async (host) => ({
    sending: null,
    ...(await ask(plan, host, known.release)),
  }))
}

async function dryRun(
  hosts: readonly Host[],
  { inputs }: Plan,
  known: Known,
  pipeline: Pipeline,
  act: (host: Host, log: Log) => Promise<DryRun>,
): Promise<Outcome> {
  const outcomes = await onEach(hosts, inputs['max-parallel'], pipeline, (host, log) =>
    log.run('dry-run', async (): Promise<Done<HostOutcome>> => {
      const dryRun = await act(host, log.log)
      for (const finding of dryRun.findings) tell(finding, log.log)
      const { name, facts } = host
      const value = { name, status: 'kept', live: facts.serving, ...nothingMore, dryRun } as const
      return { value, detail: detailOf(dryRun) }
    }),
  )
  return { ...untouched(known), succeeded: true, hosts: outcomes }
}

async function ask({ inputs }: Plan, { agent }: Host, release: string | null): Promise<Result<'dryRun'>> {
  const { runtime, run, said, 'keep-releases': keep } = inputs
  const address = release === null ? { host: runtime.host, port: runtime.port } : null
  return agent().call('dryRun', { release, run, address, said, keep })
}

async function compare(host: Host, output: Built, manifest: Manifest, packer: Packer) {
  const { missing, lack } = await offer(host, output, manifest, packer, (params, body) =>
    host.agent().call('compare', params, { body }),
  )
  const files = missingFiles(manifest, missing).map(({ path, size }) => ({ path, size }))
  const sending = { files, of: { files: manifest.files.length, bytes: manifest.bytes } }
  const findings: readonly Finding[] = lack === null ? [] : [{ effect: 'ends', ...lack }]
  return { sending, lack: findings }
}

function listOf({ files }: NonNullable<DryRun['sending']>): readonly string[] {
  const lines = files
    .slice(0, MOST_LINES)
    .map(({ path, size }) => `would send ${path} (${formatBytes(size)})`)
  return files.length > MOST_LINES ? [...lines, `…and ${files.length - MOST_LINES} more`] : lines
}

function tell({ effect, message, remedy }: Finding, log: Log): void {
  const line = joined([withoutFullStop(message), remedy ?? ''], '. ')
  if (effect === 'waits' || effect === 'recovers') log.info(line)
  else log.warning(line)
}

function detailOf({ sending, pruned, findings }: DryRun): string {
  const parts = ['nothing was changed']
  if (sending !== null) {
    const { files, of } = sending
    parts.push(`would send ${files.length} of ${plural(of.files, 'file')} (${formatBytes(totalSize(files))})`)
  }
  parts.push(`would remove ${pruned.length === 0 ? 'no release' : pruned.join(', ')}`)
  if (findings.length > 0) parts.push(findings.map(({ message }) => withoutFullStop(message)).join('; '))
  return parts.join('; ')
}
