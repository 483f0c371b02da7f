/**
 * Candidates on record. An agent that is killed cannot end its candidate, which may be too busy to notice: whoever
 * comes next ends it, with all that it started.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { count, type Guarded, object, parse, string } from '../../protocol/guards.ts'
import { ageOf, startTimeOf } from '../../common/process-identity.ts'
import { readIfThere, writeFileAtomic } from '../system/files.ts'
import type { Layout } from '../store/layout.ts'
import { bootId, groupLedBy, isRunning, signal } from '../system/processes.ts'

const identity = { pid: count, startTime: string }

const candidate = object({
  /** It leads a group. */
  ...identity,
  /** A process group can outlive its leader, but not a boot. */
  bootId: string,
  agent: object(identity),
  /** How long it may run, in ms: an agent that hangs ends nothing either. */
  limitMs: count,
})
type Candidate = Guarded<typeof candidate>

const POLL = 20
/** A process that hangs in the kernel does nothing more, and is not waited for any longer, in ms. */
const PATIENCE = 5000

/** Records that this process has started a candidate. @returns what ends the record */
export async function recordCandidate(
  { candidates }: Layout,
  pid: number,
  limitMs: number,
): Promise<() => Promise<void>> {
  const file = join(candidates, `${pid}.json`)
  const agent = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' }
  const record: Candidate = { pid, startTime: startTimeOf(pid) ?? '', bootId: bootId(), agent, limitMs }
  await writeFileAtomic(file, JSON.stringify(record), 0o600)
  return () => rm(file, { force: true })
}

/** Ends every candidate whose agent has ended, or which has run for longer than it may. */
export async function endOrphanedCandidates({ candidates }: Layout): Promise<void> {
  const names = (await readdir(candidates).catch(() => [])).filter((name) => name.endsWith('.json'))
  for (const file of names.map((name) => join(candidates, name))) {
    const record = readCandidate(await readIfThere(file))
    if (record !== null && !isOrphaned(record)) continue
    if (record !== null) await endGroup(record)
    await rm(file, { force: true })
  }
}

/** Null where it is gone, or of an earlier boot. */
function readCandidate(text: string | null): Candidate | null {
  try {
    const record = parse(candidate, text ?? '', 'candidate')
    return record.bootId === bootId() ? record : null
  } catch {
    return null
  }
}

function isOrphaned({ agent, startTime, limitMs }: Candidate): boolean {
  return !isRunning(agent.pid, agent.startTime) || ageOf(startTime) >= limitMs
}

async function endGroup(leader: Candidate): Promise<void> {
  for (let waited = 0; waited < PATIENCE; waited += POLL) {
    if (groupLedBy(leader).length === 0) return
    signal(-leader.pid, 'SIGKILL')
    await delay(POLL)
  }
}
