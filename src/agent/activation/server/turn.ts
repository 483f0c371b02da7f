/** Whose turn it is: the app's lock, the port's, and what activations that died left running. */
import { dropPreparedLinks } from '../../store/releases.ts'
import type { Layout } from '../../store/layout.ts'
import { takeReserve, withReserve } from '../../system/reserve.ts'
import { exists } from '../../system/files.ts'
import { type Lock, lockedFor, lockFolder, takeLock } from '../../system/lock.ts'
import { endOrphanedCandidates } from '../candidates.ts'
import { untilHooksEnded } from '../hooks.ts'
import { activationFiles, type Job } from '../job.ts'
import { type Journal, readJournal } from '../journal.ts'
import { takePort } from '../port-lock.ts'
import { hasTouched } from '../state.ts'
import type { Turn } from '../world.ts'

/** Longer than writing a verdict takes, in ms. */
const VERDICT_LIMIT = 10_000

export function turnOn(layout: Layout, { pm2Home, request }: Job, journal: Journal): Omit<Turn, 'finish'> {
  const { activation, run, lockTimeoutMs } = request
  const files = activationFiles(layout, activation)
  const owner = run.runUrl || activation
  const isWithdrawn = () => exists(files.withdrawn)
  /** An activation that has changed anything live must reach a verdict, even after its run was cancelled. */
  const giveUp = async () =>
    (await isWithdrawn()) && !hasTouched(await readJournal(layout.journal), activation)
  const note = (text: string) => void journal.note('lock', `waiting for ${text}`)
  const noteHolder = (holder: string) => note(`the lock, held by ${holder}`)
  const locks: Lock[] = []
  return {
    isWithdrawn,
    takeReserve: () => takeReserve(files.reserve),
    isElsewhere: async () => (await lockedFor(layout.lock)) === activation,
    async lock() {
      const waiting = { activation, onWait: noteHolder, giveUp }
      locks.push(await takeLock(layout.lock, owner, lockTimeoutMs, waiting))
    },
    async lockPort(port, timeoutMs) {
      const onWait = (holder: string) => note(`port ${port}, which is being opened by ${holder}`)
      const waiting = { activation, onWait, giveUp }
      const take = () => takePort(pm2Home, port, owner, timeoutMs, waiting)
      locks.push(await withReserve(files.reserve, take))
    },
    async endLeftovers(mayGiveUp) {
      await untilHooksEnded(layout, {
        onWait: (of) => note(`a hook of activation ${of}, whose process died`),
        giveUp: async () => mayGiveUp && (await giveUp()),
      })
      // Their memory and their cores are needed.
      await endOrphanedCandidates(layout)
    },
    async alone(act) {
      const lock = await lockFolder(files.end, owner, VERDICT_LIMIT, { activation }).catch(console.error)
      return act().finally(() => lock?.release().catch(console.error))
    },
    async unlock() {
      // No trouble here may turn a verdict into another: a lock whose process has ended is void by itself.
      const [lock, ...others] = locks.splice(0)
      for (const other of others) await other.release().catch(console.error)
      if (lock === undefined) return
      await dropPreparedLinks(layout).catch(console.error)
      await lock.release().catch(console.error)
    },
  }
}
