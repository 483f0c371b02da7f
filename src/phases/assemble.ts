/** assemble: lays the deploy tree out (standalone, static, public), sees that the server can run it, and hashes it. */
import { statSync } from 'node:fs'
import { formatBytes, plural } from '../format.ts'
import { assemble as layOut, withEntry } from '../next/assemble.ts'
import type { TreeEntry } from '../next/layers.ts'
import { assertFits } from '../next/fit.ts'
import { tellsOfBinaries } from '../next/native-modules.ts'
import type { BuildOutput } from '../next/output.ts'
import type { Done, Log } from '../pipeline.ts'
import { startProgress } from '../progress.ts'
import type { Plan } from '../plan.ts'
import { LAUNCHER } from '../protocol/manifest.ts'
import { checkEach, type Host } from './hosts.ts'
import { createManifest, type Manifest } from '../transfer/manifest.ts'

/**
 * @param launcherFile the bundled launcher: a part of every release
 * @throws Failure `release-unfit`, and those of next/assemble.ts
 */
export async function assemble(
  plan: Plan,
  output: BuildOutput,
  launcherFile: string,
  hosts: readonly Host[],
  log: Pick<Log, 'info'>,
): Promise<Done<Manifest>> {
  const tree = await layOut(output, plan.inputs.run.workspace)
  const launcher = {
    kind: 'file',
    path: LAUNCHER,
    source: launcherFile,
    size: statSync(launcherFile).size,
    mode: 0o644,
  } as const
  let total = launcher.size
  const binaries: TreeEntry[] = []
  for (const entry of tree.entries) {
    if (entry.kind === 'file') total += entry.size
    if (tellsOfBinaries(entry)) binaries.push(entry)
  }
  checkEach(hosts, (facts) => assertFits({ entries: binaries }, output, facts))
  const entries = withEntry(tree.entries, launcher)
  const manifest = await createManifest({ entries }, startProgress(log, 'hashed', total))
  const { fileCount, bytes } = manifest
  return { value: manifest, detail: `${plural(fileCount, 'file')}, ${formatBytes(bytes)}` }
}
