/** assemble: lays out the deploy tree (standalone, static, public), checks that the server can run it, and hashes it. */
import { statSync } from 'node:fs'
import { formatBytes, plural } from '../common/format.ts'
import { assemble as layOut, withEntry } from '../next/assemble.ts'
import { isPointerOfRelease, refusePointers } from '../next/checkout.ts'
import { assertFits } from '../next/fit.ts'
import { tellsOfBinaries } from '../next/native-modules.ts'
import { lackingFiles, readAtRunTime } from '../next/untraced.ts'
import type { BuildOutput } from '../next/output.ts'
import type { Done, Log } from '../pipeline.ts'
import { startProgress } from './progress.ts'
import type { Plan } from '../plan.ts'
import { LAUNCHER } from '../protocol/manifest.ts'
import { checkEach, type Host } from '../hosts/host.ts'
import { createManifest, type Manifest, totalSize } from '../transfer/manifest.ts'
import { createPacker, type Packer } from '../transfer/packer.ts'

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
  const entries = withEntry(tree.entries, launcher)
  refusePointers(entries.filter(isPointerOfRelease).map(({ path }) => path))
  const paths = new Set(entries.map(({ path }) => path))
  const lacking = readAtRunTime(output).filter(({ path }) => !paths.has(path))
  for (const lack of lackingFiles(output, lacking)) log.warning(lack)
  checkEach(hosts, (facts) => assertFits({ entries: entries.filter(tellsOfBinaries) }, output, facts))
  const files = entries.filter((entry) => entry.kind === 'file')
  const zstd = hosts.every(({ facts }) => facts.zstd)
  const progress = startProgress(log, 'hashed', totalSize(files))
  const manifest = await createManifest({ entries }, progress)
  const ahead = !plan.inputs['dry-run'] && (await areEmpty(hosts))
  const detail = `${plural(manifest.files.length, 'file')}, ${formatBytes(manifest.bytes)}`
  return { value: { manifest, packer: createPacker(manifest, zstd, ahead) }, detail }
}

/** Whether no host has a file of any release: each of them will ask for all. */
async function areEmpty(hosts: readonly Host[]): Promise<boolean> {
  if (hosts.some(({ facts }) => facts.newestId !== null)) return false
  const bases = await Promise.all(hosts.map((host) => host.base()))
  return bases.every(({ base }) => base === null)
}
