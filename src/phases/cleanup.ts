/** cleanup: prunes what is no longer needed. A failure here never undoes a deploy that is live. */
import { listed, plural } from '../common/format.ts'
import type { Done, Log } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { WrittenInRelease } from '../protocol/messages.ts'
import type { Host } from '../hosts/host.ts'

export async function cleanUp(
  { inputs, activation }: Plan,
  host: Host,
  log: Pick<Log, 'warning'>,
): Promise<Done<void>> {
  const params = { keep: inputs.keepReleases, activation }
  const { removed, inUse, kept, written, leftTo } = await host.agent().call('cleanup', params)
  if (leftTo !== null)
    return { value: undefined, detail: `skipped, because another deploy is running: ${leftTo}` }
  for (const each of written) log.warning(`${describe(each)} ${remedy(each)}`)
  const busy = inUse.length === 0 ? '' : `, ${inUse.join(', ')} still in use`
  const counts = `removed ${removed.length === 0 ? 'no release' : plural(removed.length, 'release')}, kept ${kept.length}${busy}`
  return { value: undefined, detail: [counts, ...written.map(describe)].join('; ') }
}

function describe({ release, paths, count }: WrittenInRelease): string {
  return `The app wrote into release ${release}, which no longer serves: ${listed(paths, count)}.`
}

function remedy({ release }: WrittenInRelease): string {
  return (
    'The live release does not have these files, and a later cleanup deletes them with their release. ' +
    'Name the folders in `shared-dirs`, or the files in `shared-files`, and copy what you need from ' +
    `releases/${release} to shared.`
  )
}
