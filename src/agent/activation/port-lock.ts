/**
 * One activation per port at a time. To look whether a port is free and to open it are two steps, minutes apart, and the
 * lock of an app keeps no other app out in between. It lies in PM2's home, since the daemon there would hand one socket to
 * both; beyond it the kernel gives a port to one process alone.
 */
import { join } from 'node:path'
import { failure } from '../../common/errors/server.ts'
import { Failure } from '../../common/failure.ts'
import { type Lock, lockFolder, type Waiting } from '../system/lock.ts'

/** @throws Failure `locked`, or `withdrawn` if it gave up */
export async function takePort(
  pm2Home: string,
  port: number,
  owner: string,
  timeoutMs: number,
  waiting: Waiting = {},
): Promise<Lock> {
  const directory = join(pm2Home, 'gapless', `port-${port}`)
  return lockFolder(directory, owner, timeoutMs, waiting).catch((error: unknown) => {
    const { code, evidence } = Failure.from(error)
    throw code === 'locked' ? failure('locked: port', { port }, { evidence, cause: error }) : error
  })
}
