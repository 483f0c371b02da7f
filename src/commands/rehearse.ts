/** rehearse: what a dry run tells, host by host: what would be sent and removed, and what would be in the way. */
import { formatBytes, plural } from '../common/format.ts'
import { type HostOutcome, type Known, type Outcome, type DryRun, untouched } from '../outcome.ts'
import type { Done, Log, Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { Finding, Result } from '../protocol/messages.ts'
import type { Manifest } from '../transfer/manifest.ts'
import type { Packer } from '../transfer/packer.ts'
import { missingFiles, totalSize } from '../transfer/stream.ts'
import type { Assembled } from '../phases/assemble.ts'
import type { Built } from '../phases/build.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { offer } from '../phases/transfer.ts'

/** Of a host's list of files in the log. The summary has fewer. */
const MOST_LINES = 2000

/** A deploy, up to what would be sent. */
export async function rehearseDeploy(
  plan: Plan,
  hosts: readonly Host[],
  output: Built,
  { manifest, packer }: Assembled,
  known: Known,
  pipeline: Pipeline,
): Promise<Outcome> {
  return rehearse(hosts, plan, known, pipeline, async (host, log) => {
    const { sending, lack } = await compare(host, output, manifest, packer)
    for (const line of listOf(sending)) log.info(line)
    const met = await ask(plan, host, null)
    return { sending, ...met, findings: [...met.findings, ...lack] }
  }).finally(() => packer.close())
}

/** @param known with the release to go back to */
export function rehearseRollback(
  plan: Plan,
  hosts: readonly Host[],
  known: Known,
  pipeline: Pipeline,
): Promise<Outcome> {
  return rehearse(hosts, plan, known, pipeline, async (host) => ({
    sending: null,
    ...(await ask(plan, host, known.release)),
  }))
}

async function rehearse(
  hosts: readonly Host[],
  { inputs }: Plan,
  known: Known,
  pipeline: Pipeline,
  act: (host: Host, log: Log) => Promise<DryRun>,
): Promise<Outcome> {
  const outcomes = await onEach(hosts, inputs.maxParallel, pipeline, (host, log) =>
    log.run('dry-run', async (): Promise<Done<HostOutcome>> => {
      const dryRun = await act(host, log.log)
      for (const finding of dryRun.findings) tell(finding, log.log)
      const { name, facts } = host
      const value = { name, live: facts.serving, dryRun, status: 'kept', ...NOTHING_MORE } as const
      return { value, detail: describe(dryRun) }
    }),
  )
  return { ...untouched(known), succeeded: true, hosts: outcomes }
}

const NOTHING_MORE = { failure: null, workers: [], releases: [], server: null } as const

async function ask({ inputs, run }: Plan, host: Host, release: string | null): Promise<Result<'rehearse'>> {
  const { host: address, port, said } = inputs.app
  const where = release === null ? { host: address, port } : null
  return host.agent().call('rehearse', { release, run, address: where, said, keep: inputs.keepReleases })
}

async function compare(host: Host, output: Built, manifest: Manifest, packer: Packer) {
  const { missing, lack } = await offer(host, output, manifest, packer, (params, body) =>
    host.agent().call('compare', params, { body }),
  )
  const files = [...missingFiles(manifest, missing)].map(({ path, size }) => ({ path, size }))
  const sending = { files, of: { files: manifest.fileCount, bytes: manifest.bytes } }
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
  const line = [message.replace(/\.$/, ''), ...(remedy === null ? [] : [remedy])].join('. ')
  if (effect === 'waits' || effect === 'recovers') log.info(line)
  else log.warning(line)
}

function describe({ sending, pruned, findings }: DryRun): string {
  const parts = ['nothing was changed']
  if (sending !== null) {
    const { files, of } = sending
    parts.push(`would send ${files.length} of ${plural(of.files, 'file')} (${formatBytes(totalSize(files))})`)
  }
  parts.push(`would remove ${pruned.length === 0 ? 'no release' : pruned.join(', ')}`)
  if (findings.length > 0) parts.push(findings.map(({ message }) => message.replace(/\.$/, '')).join('; '))
  return parts.join('; ')
}
