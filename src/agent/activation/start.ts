/** The session's side of an activation: starts it as a process of its own, and watches its journal. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { sha256 } from '../../common/hash-file.ts'
import { failure } from '../../common/errors/activation.ts'
import type { Failure } from '../../common/failure.ts'
import { formatLimit } from '../../common/format.ts'
import {
  type ActivationRequest,
  type JournalEntry,
  keptVerdict,
  type Verdict,
} from '../../protocol/messages.ts'
import { cleanEnvironment } from '../system/environment.ts'
import { withReserve } from '../system/reserve.ts'
import { exists, writeFileAtomic } from '../system/files.ts'
import type { InstalledPm2 } from '../pm2/find.ts'
import { lastLines } from './evidence.ts'
import { followJournal, readJournal } from './journal.ts'
import type { Layout } from '../store/layout.ts'
import { ownerLives } from '../system/owner.ts'
import { servingRelease } from '../pm2/serving.ts'
import { activationFiles, type Job, readJob } from './job.ts'
import { longestStep } from './longest-step.ts'
import { hasTouched } from './state.ts'

export interface ActivationContext {
  readonly layout: Layout
  readonly appName: string
  /** The agent's own file on this server. */
  readonly agentFile: string
  readonly pm2: InstalledPm2
  readonly pm2Home: string
  readonly node: string
  /** Where PM2's daemon is started, if none runs: it cannot start a worker from a folder that was removed. */
  readonly cwd?: string
}

/** Whether the process of an activation still runs. */
type Running = () => boolean

interface Watcher {
  /** Called with each entry of the activation's journal. */
  readonly onEntry: (entry: JournalEntry) => void
  /** Called as long as the journal can be read. */
  readonly alive: () => void
  /** How long the activation may go without a word, in ms; by default for as long as its own limits allow. */
  readonly silenceMs?: number
}

/** @throws Failure `activation-died` if its process ended without a verdict, twice; `activation-silent` if it hangs */
export async function startActivation(
  context: ActivationContext,
  request: ActivationRequest,
  watcher: Watcher,
): Promise<Verdict> {
  const { layout, appName, pm2, pm2Home } = context
  const { activation } = request
  const job: Job = {
    base: layout.base,
    appName,
    pm2Path: pm2.path,
    pm2Version: pm2.version,
    pm2Home,
    request,
  }
  await writeFileAtomic(activationFiles(layout, activation).job, JSON.stringify(job), 0o600)
  const from = (await stat(layout.journal).catch(() => ({ size: 0 }))).size
  const running = spawnActivation(context, activation)
  return follow(layout, activation, from, running, () => spawnActivation(context, activation), {
    silenceMs: await longestStep(layout, request),
    ...watcher,
  })
}

/** How long an activation that was just started may take to say who it is, in ms. */
const START = 5000

/**
 * Watches an activation that another session started. One whose process has died is taken up again: every step of
 * it can be repeated.
 * @param context asked for only where it must be taken up
 * @param withdraw end it, unless it has swapped: its run was cancelled
 * @throws Failure `unknown-activation` if it never began, `activation-died` if it ended without a verdict, twice,
 *   `activation-silent` if it hangs
 */
export async function watchActivation(
  layout: Layout,
  context: () => ActivationContext,
  activation: string,
  withdraw: boolean,
  watcher: Watcher,
): Promise<Verdict> {
  const files = activationFiles(layout, activation)
  const begun = await exists(files.job)
  if (!begun && !(await hasEntries(layout, activation))) {
    throw failure('unknown-activation')
  }
  if (begun && withdraw) {
    await withReserve(files.reserve, () => writeFile(files.withdrawn, '', { mode: 0o600 }))
  }
  const since = performance.now()
  const running = () => ownerLives(files.owner) ?? performance.now() - since <= START
  return follow(layout, activation, 0, running, () => spawnActivation(context(), activation), {
    silenceMs: await longestStep(layout, (await readJob(files.job))?.request ?? null),
    ...watcher,
  })
}

async function hasEntries({ journal }: Layout, activation: string): Promise<boolean> {
  for await (const _ of followJournal(journal, 0, activation, () => true)) return true
  return false
}

function spawnActivation(
  { layout, agentFile, pm2Home, node, cwd = layout.base }: ActivationContext,
  activation: string,
): Running {
  const files = activationFiles(layout, activation)
  const log = openSync(files.log, 'a', 0o600)
  // The session's bootstrap proved the file, and that may be a whole build ago.
  if (!isWhatWasSent(agentFile)) {
    writeSync(log, `${agentFile} is not the agent that was sent\n`)
    closeSync(log)
    return () => false
  }
  // A session of its own and a log of its own: the end of the SSH session is no event for it.
  const child = spawn(node, [agentFile, 'activate', files.job], {
    cwd,
    env: { ...cleanEnvironment(node), PM2_HOME: pm2Home },
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  let running = true
  child.once('exit', () => (running = false))
  child.once('error', () => (running = false))
  child.unref()
  return () => running
}

/** The agent's file is named by its hash: see bootstrap.ts. */
function isWhatWasSent(agentFile: string): boolean {
  try {
    return basename(agentFile, '.cjs') === sha256(readFileSync(agentFile))
  } catch {
    return false
  }
}

/** A process that cannot even be started, on a full or a read-only disk, says nothing about what the one before did. */
function attempt(start: () => Running, onError: (error: Error) => void): Running | null {
  try {
    return start()
  } catch (error) {
    onError(error as Error)
    return null
  }
}

/** A process that runs and does nothing: its disk hangs, or somebody stopped it. It is not killed: it may have swapped. */
function silent(silenceMs: number): Failure {
  return failure('activation-silent', { limit: formatLimit(Math.ceil(silenceMs / 60_000) * 60_000) })
}

/** @param again starts its process once more, where it died without a verdict */
async function follow(
  layout: Layout,
  activation: string,
  from: number,
  first: Running,
  again: () => Running,
  { onEntry, alive, silenceMs }: Required<Watcher>,
): Promise<Verdict> {
  const { job, log } = activationFiles(layout, activation)
  let position = from
  let trouble = ''
  for (const start of [() => first, again]) {
    if (start === again && !(await exists(job))) break
    const running = attempt(start, (error) => (trouble = error.message))
    if (running === null) break
    let heard = performance.now()
    const ended = () => {
      if (running() && performance.now() - heard > silenceMs) throw silent(silenceMs)
      alive()
      return !running()
    }
    for await (const { entry, end } of followJournal(layout.journal, position, activation, ended)) {
      position = end
      heard = performance.now()
      onEntry(entry)
      if (entry.verdict !== null) return entry.verdict
      if (entry.probation === null) continue
      const own = (await readJournal(layout.journal)).filter((one) => one.activation === activation)
      const ended = own.find(({ verdict }) => verdict !== null)?.verdict
      if (ended) return ended
      const isRestoring = own.some(({ step }) => step === 'rollback')
      const line = own.findLast(({ step, state }) => step === 'watch' && state === 'note')?.detail ?? ''
      // It goes on by itself, for longer than anybody should have to wait.
      if (running() && !isRestoring)
        return { ...entry.probation.verdict, watch: { open: true, line, warnings: [] } }
    }
  }
  const output = lastLines(await readFile(log, 'utf8').catch(() => ''))
  const died = failure('activation-died', {}, { evidence: [output, trouble].filter(Boolean).join('\n') })
  if (hasTouched(await readJournal(layout.journal), activation)) throw died
  // The journal is written before anything live is touched: what is not in it has not been done.
  return keptVerdict(await servingRelease(layout), died.toRecord())
}
