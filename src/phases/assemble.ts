/** assemble: lays the deploy tree out (standalone, static, public), sees that the server can run it, and hashes it. */
import { statSync } from 'node:fs'
import { formatBytes, plural } from '../common/format.ts'
import { assemble as layOut, withEntry } from '../next/assemble.ts'
import { isPointerOfRelease, refusePointers } from '../next/checkout.ts'
import type { TreeEntry } from '../next/layers.ts'
import { assertFits } from '../next/fit.ts'
import { tellsOfBinaries } from '../next/native-modules.ts'
import { lackingFiles, readAtRunTime } from '../next/untraced.ts'
import type { BuildOutput } from '../next/output.ts'
import type { Done, Log } from '../pipeline.ts'
import { startProgress } from './progress.ts'
import type { Plan } from '../plan.ts'
import { LAUNCHER } from '../protocol/manifest.ts'
import { checkEach, type Host } from '../hosts/host.ts'
import { createManifest, type Manifest } from '../transfer/manifest.ts'
import { pack } from '../transfer/pack.ts'
import { createPacker, type Packer } from '../transfer/packer.ts'
import { createSpool } from '../transfer/spool.ts'
import { filesOf } from '../transfer/stream.ts'

export interface Assembled {
  readonly manifest: Manifest
  /** To be closed. */
  readonly packer: Packer
}

/**
 * @param launcherFile the bundled launcher: a part of every release
 * @throws Failure `release-unfit`, `checkout-incomplete`, and those of next/assemble.ts
 */
export async function assemble(
  plan: Plan,
  output: BuildOutput,
  launcherFile: string,
  hosts: readonly Host[],
  log: Pick<Log, 'info' | 'warning'>,
): Promise<Done<Assembled>> {
  const { workspace, runtime } = plan.inputs
  const tree = await layOut(output, workspace, [...runtime.sharedDirs, ...runtime.sharedFiles])
  const launcher = {
    kind: 'file',
    path: LAUNCHER,
    source: launcherFile,
    size: statSync(launcherFile).size,
    mode: 0o644,
  } as const
  const entries = createSpool<TreeEntry>()
  let total = 0
  const binaries: TreeEntry[] = []
  const pointers: string[] = []
  const lacking = new Map(readAtRunTime(output).map((wanted) => [wanted.path, wanted]))
  for (const entry of withEntry(tree.entries, launcher)) {
    entries.add(entry)
    if (entry.kind === 'file') total += entry.size
    if (tellsOfBinaries(entry)) binaries.push(entry)
    if (isPointerOfRelease(entry)) pointers.push(entry.path)
    lacking.delete(entry.path)
  }
  refusePointers(pointers)
  for (const lack of lackingFiles(output, [...lacking.values()])) log.warning(lack)
  checkEach(hosts, (facts) => assertFits({ entries: binaries }, output, facts))
  const everything = (await lacksAll(plan, hosts)) ? pack(filesOf(entries), total) : undefined
  try {
    const manifest = await createManifest({ entries }, startProgress(log, 'hashed', total))
    const { fileCount, bytes } = manifest
    const packer = createPacker(manifest, everything)
    return { value: { manifest, packer }, detail: `${plural(fileCount, 'file')}, ${formatBytes(bytes)}` }
  } catch (error) {
    await everything?.close()
    throw error
  }
}

/** Whether all of it will have to be sent to the one host that there is. */
async function lacksAll({ inputs }: Plan, [host, ...others]: readonly Host[]): Promise<boolean> {
  if (inputs['dry-run'] || host === undefined || others.length > 0) return false
  // A connection that was lost is the upload's to open anew.
  const known = await host.base().catch(() => null)
  return known?.base === null
}
