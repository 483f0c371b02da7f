/** The session's side of an activation: starts it as a process of its own, and watches its journal. */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { Failure } from '../../protocol/failure.ts'
import type { ActivationRequest, JournalEntry, Verdict } from '../../protocol/messages.ts'
import { lastLines } from '../candidate.ts'
import { cleanEnvironment } from '../environment.ts'
import { exists, writeFileAtomic } from '../files.ts'
import type { InstalledPm2 } from '../find-pm2.ts'
import { followJournal } from '../journal.ts'
import type { Layout } from '../layout.ts'
import { ownerLives } from '../owner.ts'
import { activationFiles, type Job } from './job.ts'

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
  { layout, appName, agentFile, pm2, pm2Home, node }: ActivationContext,
  request: ActivationRequest,
  onEntry: (entry: JournalEntry) => void,
): Promise<Verdict> {
  const { activation } = request
  const files = activationFiles(layout, activation)
  const job: Job = {
    base: layout.base,
    appName,
    pm2Path: pm2.path,
    pm2Version: pm2.version,
    pm2Home,
    request,
  }
  await writeFileAtomic(files.job, JSON.stringify(job), 0o600)

  const from = (await stat(layout.journal).catch(() => ({ size: 0 }))).size
  const log = openSync(files.log, 'a', 0o600)
  // A session of its own and a log of its own: the end of the SSH session is no event for it.
  const child = spawn(node, [agentFile, 'activate', files.job], {
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
  return follow(layout, activation, from, () => ended, onEntry)
}

/** How long an activation that was just started may take to say who it is, in ms. */
const START = 5000

/**
 * Watches an activation that another session started.
 * @throws Failure `unknown-activation` if it never began, `activation-died` if it ended without a verdict
 */
export async function watchActivation(
  layout: Layout,
  activation: string,
  onEntry: (entry: JournalEntry) => void,
): Promise<Verdict> {
  const files = activationFiles(layout, activation)
  const known = (await exists(files.job)) || (await hasEntries(layout, activation))
  if (!known) throw new Failure('unknown-activation', 'the activation never began on the server')
  const begun = performance.now()
  const ended = () => {
    const running = ownerLives(files.owner)
    return running === null ? performance.now() - begun > START : !running
  }
  return follow(layout, activation, 0, ended, onEntry)
}

async function hasEntries({ journal }: Layout, activation: string): Promise<boolean> {
  for await (const _ of followJournal(journal, 0, activation, () => true)) return true
  return false
}

async function follow(
  layout: Layout,
  activation: string,
  from: number,
  ended: () => boolean,
  onEntry: (entry: JournalEntry) => void,
): Promise<Verdict> {
  for await (const entry of followJournal(layout.journal, from, activation, ended)) {
    onEntry(entry)
    if (entry.verdict !== null) return entry.verdict
  }
  const { log } = activationFiles(layout, activation)
  throw new Failure('activation-died', 'the activation on the server ended without a verdict', {
    remedy: 'Run the deploy again: it starts from what `current` points at.',
    evidence: lastLines(await readFile(log, 'utf8').catch(() => '')),
  })
}
