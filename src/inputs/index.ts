/** The only reader of inputs and environment: everything else takes what it needs from one Inputs object. */
import type { Runtime, Said } from '../protocol/messages.ts'
import type { Target } from '../ssh/connection.ts'
import { publicUrlOf, runtimeFrom } from './app.ts'
import { dotenvDoubts } from './next-dotenv.ts'
import { Problems, readTable } from './reader.ts'
import { readRun, type Run } from './run.ts'
import { proxyFrom, targetsFrom } from './server.ts'
import type { Values } from './table.ts'
import { checkTogether } from './together.ts'
import { warningsOf } from './warnings.ts'

export { appNameFromPackage } from './app-name.ts'
export { maskingOf } from './secrets.ts'
export type { BatchSize } from './values.ts'

/** Every input by its own name, and what several of them say together. */
export interface Inputs extends Values, Run {
  /** At least one. */
  readonly targets: readonly Target[]
  readonly proxy: Target | null
  /** How the release runs, before the build has added its part. */
  readonly runtime: Runtime
  /** The app's or the preview's public address. */
  readonly publicUrl: string | null
  /** Of the app's address, what the workflow says; null where the default counts. */
  readonly said: Said
  /** What is legal, yet seldom meant: one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Reads and checks every input.
 * @throws Failure `missing-input` or `invalid-input`; of several problems it lists all, and its code is the common one
 */
export function readInputs(env: NodeJS.ProcessEnv): Inputs {
  const problems = new Problems()
  const run = readRun(env)
  const { values, isGiven } = readTable(env, run.workspace, problems)
  const agentSocket = env['SSH_AUTH_SOCK'] || null
  checkTogether(values, isGiven, agentSocket, problems)
  const targets = targetsFrom(values, agentSocket, problems)
  const proxy = proxyFrom(values, targets)
  const runtime = runtimeFrom(values, problems)
  problems.assertNone()
  return {
    ...values,
    ...run,
    targets,
    proxy,
    runtime,
    publicUrl: publicUrlOf(values),
    said: { host: values['app-host'], port: values['app-port'] },
    // Nobody goes back to an earlier state of a preview.
    ...(values.preview === null ? {} : { 'keep-releases': 1 }),
    warnings: [...warningsOf(values, runtime), ...dotenvDoubts(values.env ?? '')],
  }
}
