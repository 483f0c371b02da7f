/** One deploy with a fault in the middle, the deploy after it, and what is wrong with either. */
import type { ActivationStep } from '../../src/protocol/messages.ts'
import { startTimeOf } from '../../src/common/process-identity.ts'
import { allowedBy, type Fault } from './faults.ts'
import { leftovers, letAMinutePass, lies, saidBy, type Site, type Version, versionOf } from './site.ts'

/** When the fault happens: as the journal says that a step begins, or so many ms after the run has begun. */
export type Moment = ActivationStep | number

export interface Result {
  readonly fault: string
  readonly moment: Moment
  /** The status that the run, or post after it, gave. */
  readonly status: string
  readonly requests: number
  readonly failed: number
  /** What should not be; nothing where all is well. */
  readonly wrong: readonly string[]
  /** For reading when something is wrong. */
  readonly log: string
}

/** Only a run that is told to has these steps. */
const ASKED: ReadonlySet<Moment> = new Set(['canary', 'watch'])
const LENGTH = '5s'

/**
 * Never throws over what the product does: it is in the result.
 * @param dies deploy a release that dies under PM2
 */
export async function tryFault(site: Site, fault: Fault, moment: Moment, dies = false): Promise<Result> {
  const before = site.server.current()!
  const version = dies ? 'dying' : otherThan(versionOf(site, before))
  const load = site.load()
  const from = site.journal().length
  const daemon = site.daemon()
  let kill: (signal: NodeJS.Signals) => void = () => undefined
  const running = site.run(version, {
    inputs: { ...(ASKED.has(moment) ? { [moment]: LENGTH } : {}), ...fault.inputs?.(site) },
    onStart: (how) => (kill = how),
  })
  let ended = false
  void running.then(() => (ended = true))
  if (typeof moment === 'string') await Promise.race([site.begins(moment, from), running])
  else await Promise.race([pause(moment), running])
  // A daemon that dies when all is said is no part of the deploy.
  const missed =
    ended || (fault.mayLose !== undefined && site.journal().slice(from).includes('"state":"verdict"'))
  try {
    if (!missed) fault.act(site, kill)
  } finally {
    // The next trial begins when this one's run is over, also where the fault could not be brought about.
    await running
  }
  const main = await running
  const wrong = missed && typeof moment === 'string' ? [`the run ended before ${moment}`] : []
  // A runner runs post in any case; it has nothing to say where main has said it.
  const cutOff = main.outputs['status'] === undefined
  const said = saidBy(cutOff ? await site.post(version, main) : main)
  if (!missed) fault.undo?.(site)
  if (fault.endsRun && main.code === 0 && !missed) wrong.push('the run ended green although it was killed')
  const unknown = fault.blind && said.status === 'down' && said.code === 1
  if (!unknown) wrong.push(...(await lies(site, said, version, before)))

  const next = otherThan(versionOf(site, site.server.current() ?? before))
  letAMinutePass(site)
  const after = saidBy(await site.run(next))
  const nextWrong = await lies(site, after, next, site.server.current() ?? '')
  if (after.status !== 'live') nextWrong.push(`the next deploy ended ${after.status}`)
  wrong.push(...nextWrong.map((what) => `next: ${what}`))
  const { requests, failures } = await load.stop()
  if (failures.length > (missed ? 0 : allowedBy(fault, startTimeOf(daemon) === null)))
    wrong.push(...failures.map(({ kind, path, error }) => `failed: ${kind} ${path}: ${error}`))
  wrong.push(...(await leftovers(site)).map((what) => `left behind: ${what}`))
  return {
    fault: fault.name,
    moment,
    status: missed ? 'too late' : said.status,
    requests,
    failed: failures.length,
    wrong,
    log: wrong.length === 0 ? '' : `${main.log}\n--- said\n${said.log}\n--- next\n${after.log}`,
  }
}

function otherThan(version: Version): Version {
  return version === 'first' ? 'second' : 'first'
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** One line as soon as it is known: a long run may be cut off before its table. */
export function lineOf({ fault, moment, status, requests, failed, wrong }: Result): string {
  const when = typeof moment === 'number' ? `after ${moment} ms` : `at ${moment}`
  const broken = wrong.map((what) => `\n  ${what}`).join('')
  return `${fault} ${when}: ${status || 'no status'}, ${requests} requests, ${failed} failed${broken}\n`
}

/** What was measured, as a table for people. */
export function tableOf(results: readonly Result[]): string {
  const rows = [...new Set(results.map(({ fault }) => fault))].map((fault) => {
    const of = results.filter((result) => result.fault === fault)
    const sum = (pick: (result: Result) => number) => of.reduce((total, result) => total + pick(result), 0)
    const statuses = [...new Set(of.map(({ status }) => status))]
      .map(
        (status) =>
          `${of.filter((result) => result.status === status).length} ${status || 'without a status'}`,
      )
      .join(', ')
    const wrong = of.filter((result) => result.wrong.length > 0).length
    return `| ${fault} | ${of.length} | ${statuses} | ${sum(({ requests }) => requests)} | ${sum(({ failed }) => failed)} | ${wrong} |`
  })
  const head = '| fault | times | how the runs ended | requests | failed requests | broken promises |'
  return [head, '|---|---:|---|---:|---:|---:|', ...rows].join('\n')
}
