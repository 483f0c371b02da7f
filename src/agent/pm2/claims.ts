/**
 * What an app claims on its server: a folder, a name in PM2 and a port. Each belongs to one app of the user.
 * Every check before a swap is here.
 */
import { lstatSync } from 'node:fs'
import { failure } from '../../common/errors/preview.ts'
import type { Said } from '../../protocol/messages.ts'
import { assertFolderIsOurs, assertNameIsOurs } from './app-name.ts'
import { addressesOf, folderOf, openDoors } from './apps.ts'
import type { Layout } from '../store/layout.ts'
import { assertSocketFits, hasOwnFolder, socketOf } from '../store/previews.ts'
import type { Pm2Process } from './client.ts'
import { assertNotStranded } from './stranded.ts'
import { assertMoveIsMeant, assertNoOtherDoor, assertPortIsOurs } from './port.ts'
import type { Address } from '../../common/listening-sockets.ts'
import { readWorkers } from './workers.ts'

export interface Claim {
  readonly layout: Layout
  readonly appName: string
  /** Where the app will listen. */
  readonly address: Address
  /** Null where the app is only restored. */
  readonly said: Said | null
}

export interface Running {
  /** All processes of PM2's list, of any app. */
  readonly all: readonly Pm2Process[]
  /** The daemon's pid, or null where none runs. */
  readonly daemon: number | null
  /** The file of PM2's package that the daemon was started with; null where nobody knows. */
  readonly program: string | null
}

type Check = () => Promise<void>

/** Returns one check for each claim: it throws where another app has the claim. */
export function checksOf(
  { layout, appName, address, said }: Claim,
  { all, daemon, program }: Running,
): readonly Check[] {
  const processes = all.filter(({ name }) => name === appName)
  const foreign = processes.filter((process) => folderOf(process) === null)
  const stranded = async () => {
    if (daemon === null) return
    assertNotStranded({ pid: daemon, program }, all, await readWorkers(layout.workers))
  }
  if (address.socket) return [stranded, ...previewChecks({ layout, appName }, processes, all)]
  const foreignAddresses = () => addressesOf(foreign, { all, daemon })
  return [
    stranded,
    async () => assertNameIsOurs(layout, processes),
    () => assertFolderIsOurs(layout, appName, all),
    async () => {
      if (said === null) return
      const doors = await openDoors(processes)
      const now = doors.length > 0 ? doors : await foreignAddresses()
      assertMoveIsMeant(now, address, said)
    },
    async () => {
      await assertNoOtherDoor(layout.base, address, all)
      const records = await readWorkers(layout.workers)
      const users = { processes, records, daemon, addresses: await foreignAddresses() }
      await assertPortIsOurs(address.host, address.port, users)
    },
  ]
}

/** A preview replaces nothing that is not its own: no app, no process of another tool, no file. */
export function previewChecks(
  { layout, appName }: Pick<Claim, 'layout' | 'appName'>,
  processes: readonly Pm2Process[],
  all: readonly Pm2Process[],
): readonly Check[] {
  return [
    async () => assertSocketIsFree(layout),
    async () => {
      if (processes.some((process) => folderOf(process) === null))
        throw failure('preview-unusable: name', { name: appName })
    },
    async () => assertNameIsOurs(layout, processes),
    () => assertFolderIsOurs(layout, appName, all),
  ]
}

/** @throws Failure `preview-unusable` */
function assertSocketIsFree(layout: Layout): void {
  assertSocketFits(layout)
  const socket = socketOf(layout)
  const stat = lstatSync(socket, { throwIfNoEntry: false })
  if (stat !== undefined && !stat.isSocket()) throw failure('preview-unusable: socket', { socket })
  hasOwnFolder(layout)
}

/** @throws Failure `pm2-stranded`, `app-name-taken`, `path-taken`, `port-taken`, `port-forbidden` or `address-differs` */
export async function assertClaims(claim: Claim, running: Running): Promise<void> {
  for (const check of checksOf(claim, running)) await check()
}
