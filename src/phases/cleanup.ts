/** cleanup: prunes what is no longer needed. A failure here never undoes a deploy that is live. */
import { listed, plural } from '../common/format.ts'
import { Failure } from '../common/failure.ts'
import type { Done, Log, Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { WrittenInRelease } from '../protocol/messages.ts'
import { type Host, onEach } from '../hosts/host.ts'

/** Never throws. */
export async function cleanUpAll(plan: Plan, hosts: readonly Host[], pipeline: Pipeline): Promise<void> {
  await onEach(hosts, plan.inputs['max-parallel'], pipeline, (host, log) =>
    log.run('cleanup', () => cleanUp(plan, host, log.log)),
  ).catch((error: unknown) => {
    const { message } = Failure.from(error)
    pipeline.log.info(`The live release is not affected by the failed cleanup: ${message}`)
  })
}

async function cleanUp(
  { inputs, activation }: Plan,
  host: Host,
  log: Pick<Log, 'warning'>,
): Promise<Done<void>> {
  const params = { keep: inputs['keep-releases'], activation }
  const { removed, inUse, kept, written, leftTo, runtimes } = await host.agent().call('cleanup', params)
  if (leftTo !== null)
    return { value: undefined, detail: `skipped, because another deploy is running: ${leftTo}` }
  for (const each of written) log.warning(`${describe(each)} ${remedy(each)}`)
  const busy = inUse.length === 0 ? '' : `, ${inUse.join(', ')} still in use`
  const old = runtimes.length === 0 ? [] : [`removed ${runtimes.join(', ')}`]
  const counts = `removed ${removed.length === 0 ? 'no release' : plural(removed.length, 'release')}, kept ${kept.length}${busy}`
  return { value: undefined, detail: [counts, ...old, ...written.map(describe)].join('; ') }
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
