/** The action: inputs → plan → phases → report. */
import * as core from '@actions/core'
import { maskingOf, readInputs } from './inputs.ts'
import { stayLean } from './memory.ts'
import { type Project, readProject } from './next/project.ts'
import { nothingKnown, type Outcome, untouched } from './outcome.ts'
import { deploy, rollback, status, type Story } from './phases/index.ts'
import { createPipeline } from './pipeline.ts'
import { createPlan, ownWords, packageName, type Plan } from './plan.ts'
import { programs } from './programs.ts'
import { Failure } from './protocol/failure.ts'
import { reportOf } from './report/summary.ts'
import { redactLog, redactReport } from './report/redact.ts'
import type { Redact } from './report/redactor.ts'
import { jobLog, markFinished, maskSecrets, rememberActivation, writeReport } from './report/write.ts'

async function main(): Promise<void> {
  // Red until proven green: a promise that never settles, or a crash, must not end the step with success.
  process.exitCode = 1
  stayLean()
  const begun = performance.now()
  let pipeline = createPipeline(jobLog)
  let redact: Redact = (text) => text
  let plan: Plan | undefined
  let outcome: Outcome
  try {
    const inputs = readInputs(process.env)
    const { secrets, unmasked } = maskingOf(inputs, ownWords(inputs))
    const masks = maskSecrets(secrets)
    redact = masks.redact
    pipeline = createPipeline(redactLog(jobLog, redact, masks.add))
    if (unmasked.length > 0) pipeline.log.info(`${NOT_MASKED} ${unmasked.join(', ')}.`)
    for (const warning of inputs.warnings) core.warning(warning)
    const { workspace } = inputs.run
    const project = inputs.command === 'deploy' ? readProject(workspace, inputs.workingDirectory) : undefined
    plan = createPlan(inputs, project === undefined ? packageName(inputs) : project.name)
    rememberActivation(plan.activation)
    outcome = await storyOf(plan, project)(plan, programs(), pipeline)
  } catch (error) {
    outcome = { ...untouched(nothingKnown), failure: Failure.from(error) }
  }
  const report = reportOf(plan, outcome, pipeline.rows, Math.round(performance.now() - begun), process.env)
  const written = writeReport(redactReport(report, redact))
  markFinished()
  process.exit(outcome.succeeded && written ? 0 : 1)
}

const NOT_MASKED = 'Values of `env` that are not masked (short, common, public or part of this log):'

function storyOf({ inputs: { command } }: Plan, project: Project | undefined): Story {
  if (project !== undefined) return deploy(project)
  return command === 'rollback' ? rollback : status
}

void main()
