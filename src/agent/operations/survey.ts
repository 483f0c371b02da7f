/** check's rows that only the agent can tell: PM2, what else it runs, and what earlier runs left. Changes nothing. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { doubt, ok } from '../../common/check.ts'
import { listed, plural } from '../../common/format.ts'
import type { SurveyRow } from '../../protocol/messages.ts'
import { folderOf, isRunningUnder, isSameFolder, openDoors } from '../pm2/apps.ts'
import type { Running } from '../pm2/claims.ts'
import type { Pm2Process } from '../pm2/client.ts'
import type { NodeMove } from '../pm2/move.ts'
import { orphansIn } from '../pm2/orphans.ts'
import { readWorkers } from '../pm2/workers.ts'
import { type Layout, layoutOf } from '../store/layout.ts'
import { uploadOwner } from '../store/sources.ts'
import { lockHolder } from '../system/lock.ts'
import { ownerLives } from '../system/owner.ts'

export interface PlannedMove extends NodeMove {
  /** What keeps the daemon where it is, as the rest of a sentence; null: a deploy moves it. */
  readonly hindrance: string | null
}

export function sayNodeStays({ from, version }: NodeMove, hindrance: string): string {
  return (
    `PM2's daemon stays on Node ${from}, although setup brought ${version}: ${hindrance}. ` +
    `${NODE_STAYS_REMEDY}.`
  )
}
const NODE_STAYS_REMEDY = 'Run `pm2 update` on the server at a quiet time, which restarts all its apps'

interface Standing {
  readonly layout: Layout
  readonly appName: string
  /** PM2's. */
  readonly home: string
  readonly now: Running
  readonly move: PlannedMove | null
}

export async function survey({
  layout,
  appName,
  home,
  now: { all },
  move,
}: Standing): Promise<readonly SurveyRow[]> {
  const others = all.filter(({ name }) => name !== appName)
  const rows = [
    nodeOfPm2(move),
    await savedList(home, all),
    await lock(layout),
    await leftovers(layout),
    await otherApps(others),
    await otherOrphans(layout, others),
  ]
  return rows.filter((row) => row !== null)
}

function nodeOfPm2(move: PlannedMove | null): SurveyRow | null {
  if (move === null) return null
  const { from, version, hindrance } = move
  const value = `PM2's daemon runs on Node ${from}, and setup brought ${version}`
  return hindrance === null
    ? ok('PM2’s Node.js', `${value}: the next deploy moves PM2 without a gap`)
    : doubt('PM2’s Node.js', `${value}: ${hindrance}`, `${NODE_STAYS_REMEDY}.`)
}

/** What starts after a reboot. Each deploy saves the list. */
async function savedList(home: string, all: readonly Pm2Process[]): Promise<SurveyRow | null> {
  const what = 'PM2’s saved list'
  const running = counted(all.filter(isRunningUnder).map(({ name }) => name))
  if (running.size === 0) return null
  const saved = await readFile(join(home, 'dump.pm2'), 'utf8').then(namesIn, () => null)
  const remedy = 'Run `pm2 save` on the server, or deploy.'
  if (saved === null) return doubt(what, 'nothing is saved: no app starts after a reboot', remedy)
  const names = counted(saved)
  const missing = [...running].filter(([name, count]) => (names.get(name) ?? 0) < count).map(([name]) => name)
  return missing.length === 0
    ? ok(what, `has all ${plural(running.size, 'app')} that run`)
    : doubt(what, `lacks ${missing.join(', ')}, or some of its workers`, remedy)
}

function namesIn(text: string): readonly string[] {
  return (JSON.parse(text) as readonly { readonly name?: unknown }[]).map(({ name }) => String(name))
}

function counted(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/** One that is held is a finding of the dry run. */
async function lock({ lock: folder }: Layout): Promise<SurveyRow | null> {
  if ((await lockHolder(folder)) !== null) return null
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'))
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8').catch(() => '')))
  const isStale = texts.some((text) => text !== '')
  return ok('Lock', isStale ? 'void: its process is gone, and the next run takes it over' : 'free')
}

async function leftovers({ incoming, activations }: Layout): Promise<SurveyRow> {
  const list = (folder: string) => readdir(folder).catch((): string[] => [])
  const uploads = (await list(incoming)).filter(
    (name) => ownerLives(uploadOwner(join(incoming, name))) !== true,
  )
  const dead = (await list(activations)).filter(
    (name) => name.endsWith('.owner') && ownerLives(join(activations, name)) === false,
  )
  const count = uploads.length + dead.length
  return count === 0
    ? ok('Leftovers', 'none of interrupted runs')
    : doubt(
        'Leftovers',
        `of ${plural(count, 'interrupted run')}`,
        'Deploy: the cleanup of a deploy removes what is older than a minute.',
      )
}

async function otherApps(others: readonly Pm2Process[]): Promise<SurveyRow | null> {
  const names = [...new Set(others.map(({ name }) => name))]
  if (names.length === 0) return null
  const doors = await openDoors(others)
  const told = names.map((name) => {
    const ports = [...new Set(doors.filter((door) => door.name === name).map(({ port }) => port))]
    const path = others.filter((other) => other.name === name).map(folderOf)[0]
    const parts = [...ports.map((port) => `port ${port}`), ...(path == null ? [] : [path])]
    return parts.length === 0 ? name : `${name} (${parts.join(', ')})`
  })
  return ok('Other apps', listed(told.slice(0, 10), told.length))
}

async function otherOrphans({ base }: Layout, others: readonly Pm2Process[]): Promise<SurveyRow | null> {
  const folders = new Set(others.map(folderOf).filter((folder) => folder !== null))
  const found: string[] = []
  for (const folder of folders) {
    if (isSameFolder(folder, base)) continue
    const { length } = orphansIn(await readWorkers(layoutOf(folder).workers))
    if (length > 0) found.push(`${plural(length, 'worker')} in ${folder}`)
  }
  return found.length === 0
    ? null
    : doubt('Other workers', `${found.join(', ')} serve without PM2`, 'Deploy that app, which takes over.')
}
