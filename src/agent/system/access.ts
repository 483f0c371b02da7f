/** Whether this user may write where the agent and PM2 must. The remedy is chosen by the path, not by the errno. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { failure } from '../../common/errors/server.ts'
import type { Failure } from '../../common/failure.ts'
import { nearestExisting } from './files.ts'

/** @throws Failure `path-not-writable` when this user may not write in it, or in the folder it would be made in */
export function assertWritable(folder: string): void {
  const standing = nearestExisting(folder)
  const { username } = userInfo()
  const command = standing === folder ? chown(folder) : `sudo install -d -o ${username} '${folder}'`
  assertOpen(standing, true, command)
}

/** PM2 writes these in its folder. A command with sudo leaves some of them to root. */
const WRITTEN_BY_PM2 = ['logs', 'pids', 'pm2.log']

/** @throws Failure `path-not-writable` */
export function assertPm2HomeWritable(home: string): void {
  assertWritable(home)
  for (const name of WRITTEN_BY_PM2) {
    const path = join(home, name)
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat !== undefined) assertOpen(path, stat.isDirectory(), chown(home))
  }
}

/** Returns the failure behind an EACCES or EPERM. @param path of the system call, where the error has one */
export function accessRefused(path: string | undefined, cause: NodeJS.ErrnoException): Failure {
  if (path !== undefined) {
    // Creating, renaming or removing a file takes the permission of its folder.
    const folder = nearestExisting(dirname(path))
    return whyClosed(folder, true, chown(folder), cause) ?? notOurs(path, chown(path), cause)
  }
  return failure('path-not-writable: unknown path', { problem: cause.message }, { cause })
}

function assertOpen(path: string, isFolder: boolean, command: string): void {
  const failure = whyClosed(path, isFolder, command)
  if (failure !== null) throw failure
}

function whyClosed(path: string, isFolder: boolean, command: string, cause?: unknown): Failure | null {
  try {
    if (isFolder && !statSync(path).isDirectory())
      return failure('path-not-writable: no folder', { user: userInfo().username, path }, { cause })
    accessSync(path, isFolder ? constants.W_OK | constants.X_OK : constants.W_OK)
    return null
  } catch (error) {
    const isReadOnly = (error as NodeJS.ErrnoException).code === 'EROFS'
    return isReadOnly ? readOnly(path, cause) : notOurs(path, command, cause)
  }
}

function notOurs(path: string, command: string, cause: unknown): Failure {
  const { username: user } = userInfo()
  return failure('path-not-writable', { user, path, owner: ownerOf(path), command }, { cause })
}

export function readOnly(path: string | undefined, cause: unknown): Failure {
  return failure('path-not-writable: read-only', { path: path ?? 'the app’s folder' }, { cause })
}

function chown(path: string): string {
  return `sudo chown -R ${userInfo().username} '${path}'`
}

function ownerOf(path: string): string {
  const uid = statSync(path, { throwIfNoEntry: false })?.uid
  if (uid === undefined) return 'a user that cannot be seen'
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
    return lines.map((line) => line.split(':')).find(([, , id]) => id === String(uid))?.[0] ?? `user ${uid}`
  } catch {
    return `user ${uid}`
  }
}
