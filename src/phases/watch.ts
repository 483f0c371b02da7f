/** watch: the servers watch the release by themselves, and the run waits for what comes of it. */
import type { Ended } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import { Failure } from '../common/failure.ts'
import { sleep } from '../common/timeout.ts'
import type { ActivationRequest, Verdict } from '../protocol/messages.ts'
import { type Host, named } from '../hosts/host.ts'
import { throughLosses } from '../hosts/reconnect.ts'
import { isLastWord, reviveFailure } from './activate-host.ts'
import { unseen } from './roll-out-host.ts'

/** Between two questions, in ms. */
const PAUSE = 2000

/**
 * Waits until no host has the release on probation any more, or one has taken it back.
 * @param ended gets the verdict of each host @returns why a host has taken it back
 */
export async function watchHosts(
  hosts: readonly Host[],
  { activation }: Pick<ActivationRequest, 'activation'>,
  ended: Map<Host, Ended>,
  pipeline: Pipeline,
): Promise<Failure | null> {
  let failure: Failure | null = null
  const watched = hosts.map(async (host) => {
    const log = pipeline.on(host.name)
    const verdict = await watchHost(host, activation, log, () => failure !== null).catch((error: unknown) =>
      unseen(host, error, true),
    )
    // Another host has taken it back: this one still has to.
    if (verdict === null) return
    const own = reviveFailure(verdict)
    const why = own && named(host.name, own)
    ended.set(host, { name: host.name, verdict, failure: why })
    failure ??= why
    for (const warning of verdict.watch?.warnings ?? []) log.log.warning(warning)
    if (verdict.status === 'restored')
      await log.run('rollback', async () => ({ value: null, detail: `restored ${verdict.live}` }))
  })
  await Promise.all(watched)
  return failure
}

/** @returns null where it is `over` on another host */
async function watchHost(
  host: Host,
  activation: string,
  pipeline: Pipeline,
  over: () => boolean,
): Promise<Verdict | null> {
  let found: Verdict | null = null
  const row = pipeline.run('watch', async () => {
    const watch = () => host.agent().call('watch', { activation, withdraw: false })
    const work = { begin: watch, resume: watch, isFinal: isLastWord }
    let told = ''
    for (;;) {
      const verdict = await throughLosses(host, work, pipeline.log.info)
      const line = verdict.watch?.line ?? ''
      if (verdict.watch?.open !== true) {
        found = verdict
        if (verdict.failure !== null) throw Failure.revive(verdict.failure)
        return { value: null, detail: line }
      }
      if (line !== '' && line !== told) pipeline.log.info(`watch: ${line}`)
      told = line
      if (over()) return { value: null, detail: 'ended, because another host took the release back' }
      await sleep(PAUSE)
    }
  })
  await row.catch((error: unknown) => {
    if (found === null) throw error
  })
  return found
}
