/** Where an app's previews are: each has the layout of an app of its own, below the app's folder. */
import { lstatSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { failure } from '../../common/errors/preview.ts'
import { PREVIEW_NAME } from '../../protocol/preview-name.ts'
import { type Layout, layoutOf } from './layout.ts'
import { isRelease, liveRelease, readInfo, releaseIds, verificationOf } from './releases.ts'

/** The kernel takes this many bytes for the address of a Unix socket. */
const LONGEST_SOCKET = 107

export function appOf({ base }: Layout): Layout {
  return layoutOf(dirname(dirname(base)))
}

export function socketOf({ base }: Pick<Layout, 'base'>): string {
  return `${base}.sock`
}

/** @throws Failure `preview-unusable` */
export function assertSocketFits(layout: Layout): void {
  const socket = socketOf(layout)
  const bytes = Buffer.byteLength(socket)
  if (bytes > LONGEST_SOCKET) throw failure('preview-unusable', { socket, bytes, most: LONGEST_SOCKET })
}

/**
 * Through a link it would be the folder of something else.
 * @returns whether the preview has a folder
 * @throws Failure `preview-unusable`
 */
export function hasOwnFolder({ base }: Layout): boolean {
  const folder = lstatSync(base, { throwIfNoEntry: false })
  if (folder !== undefined && !folder.isDirectory())
    throw failure('preview-unusable: folder', { folder: base })
  return folder !== undefined
}

/** Where the base of an upload is: the first upload of a preview may be based on a release of its app. */
export async function layoutOfBase(layout: Layout, base: string | null, isPreview: boolean): Promise<Layout> {
  const isOwn = !isPreview || base === null || (await isRelease(layout, base))
  return isOwn ? layout : appOf(layout)
}

/** The app's previews, in the order of their names. */
export async function previewsOf(app: Layout): Promise<readonly Layout[]> {
  const folder = join(app.base, 'previews')
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isDirectory() && PREVIEW_NAME.test(entry.name))
    .map(({ name }) => layoutOf(join(folder, name)))
    .sort((a, b) => (a.base < b.base ? -1 : 1))
}

/** The app of a preview and its other previews: where it may take files from, the best last. */
export async function neighboursOf(layout: Layout): Promise<readonly Layout[]> {
  const app = appOf(layout)
  const previews = await previewsOf(app)
  return [...previews.filter(({ base }) => base !== layout.base), app]
}

/** When a preview was deployed last, in ms since 1970. A deploy that is still building counts. */
export async function lastDeployed(layout: Layout): Promise<number> {
  return Math.max(await lastLive(layout), await lastSession(layout))
}

/** A session that may deploy marks the agent that it loads as used (bootstrap.ts). */
async function lastSession({ own }: Layout): Promise<number> {
  const agents = join(own, 'agent')
  const times = (await readdir(agents).catch(() => [])).map((name) => mtimeOf(join(agents, name)))
  return Math.max(0, ...(await Promise.all(times)))
}

async function lastLive(layout: Layout): Promise<number> {
  const live = await liveRelease(layout).catch(() => null)
  const verified = live === null ? null : await verificationOf(layout, live).catch(() => null)
  const newest = (await releaseIds(layout)).at(-1)
  const info = newest === undefined ? null : await readInfo(layout, newest).catch(() => null)
  const time = Date.parse(verified?.activatedAt ?? info?.created ?? '')
  return Number.isNaN(time) ? mtimeOf(layout.base) : time
}

async function mtimeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.mtimeMs ?? 0
}
