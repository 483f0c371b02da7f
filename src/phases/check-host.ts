/** check: looks at everything that a deploy needs, and changes nothing. */
import { join } from 'node:path'
import type { AgentSession } from '../agent-client/agent-session.ts'
import { type Check, doubt, fail, ok } from '../common/check.ts'
import { Failure } from '../common/failure.ts'
import { withoutFullStop } from '../common/format.ts'
import { withTimeout } from '../common/timeout.ts'
import { failure } from '../common/errors/run.ts'
import { SEE_CHECK } from '../common/errors/text.ts'
import type { BareHost } from '../hosts/bare.ts'
import { usableNode } from '../hosts/probe.ts'
import { type NodeNeed, nodeNeeds } from '../next/node-need.ts'
import { CHECK_MARKS, type HostOutcome, nothingMore } from '../outcome.ts'
import type { Done, Log } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { Finding } from '../protocol/messages.ts'
import { findings, nodeRow } from './findings.ts'

/** In ms. */
const LOOK = 120_000

export async function checkHost(
  plan: Plan,
  agentFile: string,
  host: BareHost,
  log: Pick<Log, 'info'>,
): Promise<Done<HostOutcome>> {
  const { inputs } = plan
  const seen = await host.look()
  const { port, instances } = inputs.runtime
  const workers = instances === 0 ? 2 : instances
  const wanted = { workers, now: Date.now(), port, nodeNeeds: needsOf(plan) }
  const before = findings(seen, wanted)
  const canRun = usableNode(seen) !== null && seen.system === 'Linux'
  const more = canRun ? await askAgent(plan, agentFile, host, wanted.nodeNeeds) : NOTHING
  // The agent searches further for PM2 than a shell can.
  const told = new Set(more.checks.map(({ what }) => what))
  const shell = [...before, portRow(seen.portTaken, port)].filter(({ what }) => !told.has(what))
  const checks = [...shell, ...more.checks]
  for (const check of checks) log.info(lineOf(check))
  const count = (level: Check['level']) => checks.filter((check) => check.level === level).length
  const detail = `${checks.length} findings: ${count('ok')} ✔, ${count('doubt')} ⚠, ${count('fail')} ✖`
  const status = more.serves ? 'live' : 'down'
  return { value: { name: host.name, status, live: more.live, checks, ...nothingMore }, detail }
}

/** What the app asks of Node, as far as the checkout tells. */
export function needsOf({ inputs }: Pick<Plan, 'inputs'>): readonly NodeNeed[] {
  return nodeNeeds(join(inputs.workspace, inputs['working-directory']))
}

/** @throws Failure `check-failed` where a deploy would fail */
export function assertChecked(hosts: readonly HostOutcome[]): void {
  const failed = hosts.flatMap(({ name, checks = [] }) =>
    checks.filter(({ level }) => level === 'fail').map((check) => ({ name, ...check })),
  )
  const [first] = failed
  if (first === undefined) return
  const lines = failed.map((check) => `${check.name === null ? '' : `${check.name}: `}${lineOf(check)}`)
  const problem = `${first.name === null ? '' : `${first.name}: `}${first.what}: ${withoutFullStop(first.value)}`
  throw failure(
    'check-failed',
    { count: failed.length, problem, remedy: first.remedy ?? 'Correct it.' },
    { evidence: lines.join('\n') },
  )
}

function lineOf({ level, what, value, remedy }: Check): string {
  return `${CHECK_MARKS[level]} ${what}: ${withoutFullStop(value)}${remedy === null ? '' : `. ${remedy}`}`
}

function portRow(taken: boolean, port: number): Check {
  return taken
    ? doubt('Port', `something listens on port ${port}`, 'Stop it, or set `app-port`.')
    : ok('Port', `${port} is free`)
}

interface Asked {
  readonly checks: readonly Check[]
  readonly live: string | null
  readonly serves: boolean
}

const NOTHING: Asked = { checks: [], live: null, serves: false }

async function askAgent(
  plan: Plan,
  agentFile: string,
  host: BareHost,
  needs: readonly NodeNeed[],
): Promise<Asked> {
  const checks: Check[] = []
  let agent: AgentSession | undefined
  try {
    agent = await host.agent(agentFile)
    return await withTimeout(lookThrough(agent, checks, plan, needs), LOOK, () => failure('check-late'))
  } catch (error) {
    const { code, message, remedy = null } = Failure.from(error)
    // What was lost is no finding about the server.
    if (code === 'connection-lost' || code === 'check-late') throw error
    return { ...NOTHING, checks: [...checks, fail(WHATS[code] ?? code, message, ownRemedy(remedy))] }
  } finally {
    agent?.close()
  }
}

/** Of failures, what their row is about. */
const WHATS: Readonly<Record<string, string>> = {
  'node-missing': 'Node.js',
  'pm2-missing': 'PM2',
  'path-not-writable': 'Folder',
  'path-unsafe': 'Folder',
  'path-taken': 'Folder',
  'current-not-a-link': 'Folder',
  'app-name-taken': 'Name',
  'port-taken': 'Port',
  'port-forbidden': 'Port',
  'address-differs': 'Port',
  'pm2-foreign': 'PM2',
  'pm2-stranded': 'PM2',
}

async function lookThrough(
  agent: AgentSession,
  checks: Check[],
  { inputs, appName }: Pick<Plan, 'inputs' | 'appName'>,
  needs: readonly NodeNeed[],
): Promise<Asked> {
  const add = (check: Check) => checks.push(check)
  const facts = await agent.call('inspect', {})
  add(nodeRow({ version: facts.node, path: facts.nodePath }, needs))
  add(
    facts.pm2 === null
      ? fail('PM2', 'not found', 'Run `command: setup`.')
      : ok('PM2', `${facts.pm2.version} (${facts.pm2.path})`),
  )
  const { rows } = await agent.call('survey', {})
  checks.push(...rows)
  if (appName === '') {
    add(ok('Folder', facts.path))
    add(ok('Name', 'not checked: neither `app-name` nor a package.json says it'))
    return { ...NOTHING, checks }
  }
  const { runtime, run, said, 'keep-releases': keep } = inputs
  const address = { host: runtime.host, port: runtime.port }
  const { findings: found } = await agent.call('dryRun', { release: null, run, address, said, keep })
  checks.push(...found.map(checkOf))
  const has = (what: string) => checks.some((check) => check.what === what)
  if (!has('Folder')) add(ok('Folder', facts.path))
  if (!has('Name')) add(ok('Name', 'free, or this app’s'))
  if (!has('Port')) add(ok('Port', `${runtime.port} is free, or this app’s`))
  const { served, live, workers, lock } = await agent.call('status', {})
  const orphans = workers.filter(({ status }) => status === 'orphaned').length
  const dead = `${orphans} serve without PM2’s daemon, which died`
  add(
    orphans > 0
      ? doubt('Workers', dead, 'Deploy: the next deploy takes over.')
      : ok('Workers', `${workers.length} of this app`),
  )
  const asMeant = served === live && workers.every(({ phase }) => phase === 'open')
  return { checks, live: served, serves: served !== null && (asMeant || lock !== null) }
}

function checkOf({ effect, code, message, remedy }: Finding): Check {
  const level = effect === 'ends' ? 'fail' : 'doubt'
  const what =
    (code !== null && WHATS[code]) ||
    { ends: 'Deploy', waits: 'Lock', recovers: 'Interrupted run', replaces: 'current', gap: 'PM2’s list' }[
      effect
    ]
  return { level, what, value: message, remedy: ownRemedy(remedy) }
}

/** Without the hint at this very command. */
function ownRemedy(remedy: string | null): string | null {
  return remedy?.replace(` ${SEE_CHECK}`, '') ?? null
}
