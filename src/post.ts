/**
 * The post step: runs whatever became of main. When main was cut off (a cancelled job, a killed runner
 * process), it waits until the server has finished what was begun, and reports how it ended.
 */
import { maskingOf, readInputs } from './inputs.ts'
import { aftermath } from './phases/aftermath.ts'
import { createPipeline } from './pipeline.ts'
import { createPlan, ownWords, packageName } from './plan.ts'
import { programs } from './programs.ts'
import { reportOf } from './report/summary.ts'
import { redactLog, redactReport } from './report/redact.ts'
import {
  isFinished,
  jobLog,
  maskSecrets,
  rememberedActivation,
  rememberedRelease,
  writeReport,
} from './report/write.ts'

async function post(): Promise<void> {
  const activation = rememberedActivation()
  // Without one main ended before it had a plan, and said why.
  if (isFinished() || activation === undefined) return
  process.exitCode = 1
  const begun = performance.now()
  const inputs = readInputs(process.env)
  const { redact, add } = maskSecrets(maskingOf(inputs, ownWords(inputs)).secrets)
  const pipeline = createPipeline(redactLog(jobLog, redact, add))
  const plan = { ...createPlan(inputs, packageName(inputs)), activation }
  const outcome = await aftermath(plan, rememberedRelease(), programs(), pipeline)
  const report = reportOf(plan, outcome, pipeline.rows, Math.round(performance.now() - begun), process.env)
  const written = writeReport(redactReport({ ...report, title: `${report.title} was cut off` }, redact))
  process.exit(outcome.succeeded && written ? 0 : 1)
}

void post()
