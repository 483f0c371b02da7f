/**
 * The post step: runs whatever became of main. When main was cut off (a cancelled job, a killed runner
 * process), it waits until the server has finished what was begun, and reports what is live.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { readInputs } from './inputs.ts'
import { failedEarly } from './outcome.ts'
import { status } from './phases/index.ts'
import { createPipeline } from './pipeline.ts'
import { createPlan, packageName } from './plan.ts'
import { programs } from './programs.ts'
import { Failure } from './protocol/failure.ts'
import { isFinished, jobLog, writeReport } from './report/write.ts'
import { reportOf } from './report/summary.ts'

/** An activation ends by itself within its own deadlines; looked at this often, for this long, in ms. */
const PAUSE = 2000
const LONGEST_WAIT = 5 * 60_000

async function post(): Promise<void> {
  if (isFinished()) return
  process.exitCode = 1
  const begun = performance.now()
  const inputs = readInputs(process.env)
  const plan = createPlan(inputs, packageName(inputs))
  for (;;) {
    const pipeline = createPipeline(jobLog)
    const outcome = await status(plan, programs(), pipeline).catch((error: unknown) =>
      failedEarly(Failure.from(error)),
    )
    const elapsed = performance.now() - begun
    if (outcome.busy && elapsed < LONGEST_WAIT) {
      await delay(PAUSE)
      continue
    }
    const report = reportOf(plan, outcome, pipeline.rows, Math.round(elapsed))
    writeReport({ ...report, title: `${report.title}: cut off; what is live now` })
    process.exit(outcome.succeeded ? 0 : 1)
  }
}

void post()
