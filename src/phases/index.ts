/** The three commands as stories: every line is a phase, in its order. */
import { plural } from '../format.ts'
import type { Project } from '../next/project.ts'
import type { Outcome } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { Failure } from '../protocol/failure.ts'
import type { ActivationRequest, Verdict } from '../protocol/messages.ts'
import { activate, reviveFailure } from './activation.ts'
import { assemble } from './assemble.ts'
import { build } from './build.ts'
import { cleanUp } from './cleanup.ts'
import { connect, type Server } from './connect.ts'
import { askPublicUrl } from './health-check.ts'
import { chooseRelease } from './rollback-target.ts'
import { upload } from './upload.ts'
import { verify } from './verify.ts'

/** The other two programs, which the action brings to the server. */
export interface Programs {
  readonly agentFile: string
  readonly launcherFile: string
}

export async function deploy(
  plan: Plan,
  project: Project,
  programs: Programs,
  pipeline: Pipeline,
): Promise<Outcome> {
  const { inputs } = plan
  const story = begin()
  let server: Server | undefined
  try {
    server = await pipeline.run('connect', () => connect(plan, { ...programs, persist: !inputs.dryRun }))
    story.live = server.facts.live
    const output = await pipeline.run('build', () => build(plan, project))
    const manifest = await pipeline.run('assemble', () => assemble(plan, output, programs.launcherFile))
    if (inputs.dryRun) {
      pipeline.skip('upload', `dry run: ${plural(manifest.files.length, 'file')} would become a new release`)
      return { ...kept(story), succeeded: true }
    }
    const uploaded = await pipeline.run('upload', () => upload(plan, server!, output, manifest))
    story.uploadedBytes = uploaded.sentBytes
    story.release = uploaded.id
    return await bringLive(plan, server, pipeline, story, 'deploy')
  } catch (error) {
    return { ...kept(story), failure: Failure.from(error) }
  } finally {
    server?.close()
  }
}

export async function rollback(plan: Plan, programs: Programs, pipeline: Pipeline): Promise<Outcome> {
  const story = begin()
  let server: Server | undefined
  try {
    server = await pipeline.run('connect', () => connect(plan, { ...programs, persist: !plan.inputs.dryRun }))
    story.live = server.facts.live
    const { agent } = server
    story.release = await chooseRelease(agent, plan.inputs.release)
    if (plan.inputs.dryRun) {
      pipeline.skip('verify', `dry run: ${story.release} would be checked and made live`)
      return { ...kept(story), succeeded: true }
    }
    return await bringLive(plan, server, pipeline, story, 'rollback')
  } catch (error) {
    return { ...kept(story), failure: Failure.from(error) }
  } finally {
    server?.close()
  }
}

export async function status(plan: Plan, programs: Programs, pipeline: Pipeline): Promise<Outcome> {
  const story = begin()
  let server: Server | undefined
  try {
    server = await pipeline.run('connect', () => connect(plan, { ...programs, persist: false }))
    const { agent } = server
    const found = await pipeline.run('status', async () => {
      const value = await agent.call('status', {})
      const lock = value.lock === null ? '' : `; locked by ${value.lock}`
      const detail = `${plural(value.releases.length, 'release')}, ${plural(value.workers.length, 'worker')}${lock}`
      return { value, detail }
    })
    const { live, releases, workers } = found
    const busy = found.lock !== null
    const healthy = live !== null && workers.length > 0 && workers.every(({ release }) => release === live)
    return {
      ...kept({ ...story, live }),
      status: healthy ? 'live' : 'down',
      succeeded: true,
      releases,
      workers,
      busy,
    }
  } catch (error) {
    return { ...kept(story), failure: Failure.from(error) }
  } finally {
    server?.close()
  }
}

/** What is known so far; it becomes the outcome wherever the story ends. */
interface Story {
  live: string | null
  release: string | null
  uploadedBytes: number
}

function begin(): Story {
  return { live: null, release: null, uploadedBytes: 0 }
}

/** verify → swap → reload → health-check (→ rollback) → cleanup, the same for a new release and an old one. */
async function bringLive(
  plan: Plan,
  server: Server,
  pipeline: Pipeline,
  story: Story,
  kind: 'deploy' | 'rollback',
): Promise<Outcome> {
  const { inputs } = plan
  const release = story.release!
  const discard = async () => {
    if (kind === 'deploy') await server.agent.call('discard', { id: release }).catch(() => undefined)
  }

  if (inputs.candidateCheck) {
    try {
      await pipeline.run('verify', () => verify(server, release))
    } catch (error) {
      await discard()
      throw error
    }
  } else {
    pipeline.skip('verify', 'candidate-check is off')
  }

  const log = (line: string) => pipeline.log.info(line)
  const request: ActivationRequest = {
    release,
    kind,
    run: plan.run,
    lockTimeoutMs: inputs.lockTimeoutMs,
    preActivate: inputs.preActivate ?? null,
    postActivate: inputs.postActivate ?? null,
  }
  const activation = activate(server, request, log)
  const step = async (name: 'swap' | 'reload' | 'health-check' | 'rollback') => ({
    value: undefined,
    detail: await activation.step(name),
  })
  let verdict: Verdict
  let failure: Failure | null = null
  try {
    await pipeline.run('swap', () => step('swap'))
    await pipeline.run('reload', () => step('reload'))
    await pipeline.run('health-check', async () => {
      const done = await step('health-check')
      verdict = await activation.verdict
      const failed = reviveFailure(verdict)
      if (failed !== null) throw failed
      if (inputs.health.url === undefined) return done
      return { ...done, detail: `${done.detail}; ${await askPublicUrl(inputs.health.url, inputs.health)}` }
    })
    verdict = await activation.verdict
  } catch (error) {
    verdict = await activation.verdict.catch(unknownVerdict)
    failure = reviveFailure(verdict) ?? Failure.from(error)
    if (verdict.status === 'restored' || verdict.status === 'down') {
      await pipeline.run('rollback', () => step('rollback')).catch(() => undefined)
    }
    // The server found it healthy, the public URL did not: go back the way a rollback goes.
    if (verdict.status === 'live') verdict = await goBack(server, pipeline, request, story.live, verdict)
  }

  if (verdict.status !== 'live' || failure !== null) await discard()
  await pipeline
    .run('cleanup', () => cleanUp(inputs, server))
    .catch((error: unknown) =>
      log(`cleanup failed, which changes nothing about what is live: ${(error as Error).message}`),
    )
  return {
    ...kept(story),
    status: verdict.status,
    succeeded: verdict.status === 'live' && failure === null,
    previousRelease: story.live,
    liveRelease: verdict.live,
    failure,
    workers: verdict.workers,
  }
}

/** An activation that ended out of sight may have switched: nobody knows what is healthy until it is asked. */
function unknownVerdict(error: unknown): Verdict {
  const { code, message, remedy, evidence } = Failure.from(error)
  const failure = { code, message, remedy: remedy ?? null, evidence: evidence ?? null }
  if (code !== 'connection-lost' && code !== 'activation-died') throw error
  return { status: 'down', live: null, failure, workers: [] }
}

async function goBack(
  server: Server,
  pipeline: Pipeline,
  request: ActivationRequest,
  previous: string | null,
  reached: Verdict,
): Promise<Verdict> {
  if (previous === null || previous === reached.live) return { ...reached, status: 'down' }
  return pipeline.run('rollback', async () => {
    const hooks = { preActivate: null, postActivate: null }
    const restoring = activate(
      server,
      { ...request, ...hooks, release: previous, kind: 'restore' },
      pipeline.log.info,
    )
    const verdict = await restoring.verdict
    const value = {
      ...verdict,
      status: verdict.status === 'live' ? ('restored' as const) : ('down' as const),
    }
    return { value, detail: `${verdict.live ?? 'nothing'} is live again` }
  })
}

/** Nothing live was touched: the outcome of every story that ends early. */
function kept({ live, release, uploadedBytes }: Story): Outcome {
  return {
    status: 'kept',
    succeeded: false,
    release,
    previousRelease: live,
    liveRelease: live,
    uploadedBytes,
    failure: null,
    workers: [],
    releases: [],
    busy: false,
  }
}
