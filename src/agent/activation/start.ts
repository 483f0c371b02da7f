/** The session's side of an activation: starts it as a process of its own, and watches its journal. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../protocol/failure.ts'
import type { ActivationRequest, JournalEntry, Result } from '../../protocol/messages.ts'
import { lastLines } from '../candidate.ts'
import { cleanEnvironment } from '../environment.ts'
import { writeFileAtomic } from '../files.ts'
import { followJournal } from '../journal.ts'
import type { Layout } from '../layout.ts'
import type { InstalledPm2 } from '../find-pm2.ts'

export interface ActivationContext {
  readonly layout: Layout
  readonly appName: string
  /** The agent's own file on this server. */
  readonly agentFile: string
  readonly pm2: InstalledPm2
  readonly pm2Home: string
  readonly node: string
}

/**
 * @param onEntry called with each entry of its journal
 * @throws Failure `activation-died` if its process ended without a verdict
 */
export async function startActivation(
  context: ActivationContext,
  request: ActivationRequest,
  onEntry: (entry: JournalEntry) => void,
): Promise<Result<'activate'>> {
  const { layout, appName, agentFile, pm2, pm2Home, node } = context
  const activation = randomUUID()
  const jobFile = join(layout.activations, `${activation}.json`)
  const logFile = join(layout.activations, `${activation}.log`)
  const job = {
    activation,
    base: layout.base,
    appName,
    pm2Path: pm2.path,
    pm2Version: pm2.version,
    pm2Home,
    request,
  }
  await writeFileAtomic(jobFile, JSON.stringify(job), 0o600)

  const from = (await stat(layout.journal).catch(() => ({ size: 0 }))).size
  const log = openSync(logFile, 'a', 0o600)
  // A session of its own and a log of its own: the end of the SSH session is no event for it.
  const child = spawn(node, [agentFile, 'activate', jobFile], {
    cwd: layout.base,
    env: { ...cleanEnvironment(), PM2_HOME: pm2Home },
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  let ended = false
  child.once('exit', () => (ended = true))
  child.once('error', () => (ended = true))
  child.unref()

  for await (const entry of followJournal(layout.journal, from, activation, () => ended)) {
    onEntry(entry)
    if (entry.verdict !== null) {
      await Promise.all([rm(jobFile, { force: true }), rm(logFile, { force: true })])
      return { activation, verdict: entry.verdict }
    }
  }
  throw new Failure('activation-died', 'the activation on the server ended without a verdict', {
    remedy: 'Run the deploy again: it finishes or undoes what was begun.',
    evidence: lastLines(await readFile(logFile, 'utf8').catch(() => '')),
  })
}
