/**
 * The action: inputs → plan → command → report.
 * `dist/main.cjs` calls `main`. `dist/post.cjs` calls `post`, which runs even after a cancelled job.
 */
import { type Inputs, maskingOf, readInputs } from './inputs/index.ts'
import { letHeapGrow, stayLean } from './common/memory.ts'
import { type Project, readProject } from './next/project.ts'
import { nothingKnown, type Outcome, untouched } from './outcome.ts'
import { afterCancel } from './commands/after-cancel.ts'
import { check } from './commands/check.ts'
import { deploy, preview, promote, removePreview, rollback, status, type Story } from './commands/index.ts'
import { setup } from './commands/setup.ts'
import { createPipeline } from './pipeline.ts'
import { buildsCheckout, createPlan, ownWords, packageName, type Plan } from './plan.ts'
import { programs } from './agent-client/programs.ts'
import { Failure } from './common/failure.ts'
import { type Report, reportOf } from './report/summary.ts'
import { createJobLog, type JobLog } from './report/log.ts'
import { remember, remembered } from './report/state.ts'
import { writeReport } from './report/write.ts'
import { type GithubRecord, openRecord } from './github/record.ts'
import { renderComment } from './report/comment.ts'
import { sentence } from './report/sentence.ts'

export async function main(): Promise<void> {
  // Red until proven green: a promise that never settles, or a crash, must not end the step with success.
  process.exitCode = 1
  stayLean()
  letHeapGrow()
  const begun = performance.now()
  const log = createJobLog()
  const pipeline = createPipeline(log)
  let plan: Plan | undefined
  let record: GithubRecord | null = null
  let outcome: Outcome
  try {
    const inputs = readInputs(process.env)
    const unmasked = maskSecrets(inputs, log)
    if (unmasked.length > 0) log.info(`${NOT_MASKED} ${unmasked.join(', ')}.`)
    for (const warning of inputs.warnings) log.warning(warning)
    const { workspace, 'working-directory': folder } = inputs
    const project = buildsCheckout(inputs) ? readProject(workspace, folder) : undefined
    plan = createPlan(inputs, project === undefined ? packageName(inputs) : project.name)
    remember('activation', plan.activation, log)
    record = openRecord(plan, { log, onBegun: (id) => remember('deployment', id, log) })
    outcome = await storyOf(plan, project)(plan, programs(), pipeline)
  } catch (error) {
    outcome = { ...untouched(nothingKnown), failure: Failure.from(error) }
  }
  const report = reportOf(plan, outcome, pipeline.rows, Math.round(performance.now() - begun), process.env)
  const unrecorded = await endRecord(record, report, plan, log)
  const written = writeReport({ ...report, unrecorded }, log)
  remember('finished', true, log)
  process.exit(outcome.succeeded && written ? 0 : 1)
}

/** @returns what could not be recorded on GitHub */
async function endRecord(
  record: GithubRecord | null,
  report: Report,
  plan: Plan | undefined,
  log: JobLog,
): Promise<string> {
  if (record === null) return ''
  const shown = log.redact(report)
  const comment = renderComment(shown, plan?.inputs.preview ?? '', new Date())
  return record.end(report.outcome, { description: sentence(shown.outcome, shown.command), comment })
}

/** Masks the secrets among the inputs. @returns the names in `env` whose values are not masked */
function maskSecrets(inputs: Inputs, log: JobLog): readonly string[] {
  const words = ownWords(inputs)
  const { secrets, unmasked } = maskingOf(inputs, words)
  log.maskAll(secrets, words)
  return unmasked
}

const NOT_MASKED =
  'Values of `env` that are not masked, because they are short, common, public or part of the log itself:'

function storyOf({ inputs: { command } }: Plan, project: Project | undefined): Story {
  if (project !== undefined) return command === 'preview' ? preview(project) : deploy(project)
  const stories: Partial<Record<typeof command, Story>> = {
    rollback,
    promote,
    check,
    setup,
    'preview-remove': removePreview,
  }
  return stories[command] ?? status
}

/**
 * Reports a run that was interrupted (a cancelled job, a killed runner process). It waits until the server has finished
 * the activation, and reports how that ended.
 */
export async function post(): Promise<void> {
  const activation = remembered('activation')
  // Without an activation, main ended before it had a plan, and reported why.
  if (remembered('finished') === 'true' || activation === undefined) return
  process.exitCode = 1
  const begun = performance.now()
  const inputs = readInputs(process.env)
  const log = createJobLog()
  maskSecrets(inputs, log)
  const pipeline = createPipeline(log)
  const plan = { ...createPlan(inputs, packageName(inputs)), activation }
  const outcome = await afterCancel(plan, remembered('release'), programs(), pipeline)
  const report = reportOf(plan, outcome, pipeline.rows, Math.round(performance.now() - begun), process.env)
  const record = openRecord(plan, { log, begun: Number(remembered('deployment')) || null })
  const unrecorded = await endRecord(record, report, plan, log)
  const written = writeReport({ ...report, unrecorded, title: `${report.title} was interrupted` }, log)
  process.exit(outcome.succeeded && written ? 0 : 1)
}
