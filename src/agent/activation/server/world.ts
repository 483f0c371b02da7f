/** An activation on a real server: its files, its clock, its processes and its PM2. */
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { startTimeOf } from '../../../common/process-identity.ts'
import { sinceBoot } from '../../../common/since-boot.ts'
import type { Verdict } from '../../../protocol/messages.ts'
import { activationFile, lastActivation } from '../../../worker/activation-file.ts'
import { servingRelease } from '../../pm2/serving.ts'
import { layoutOf, releaseDirectory } from '../../store/layout.ts'
import { guardReserve, withReserve } from '../../system/reserve.ts'
import { writeFileAtomic } from '../../system/files.ts'
import { writeOwner } from '../../system/owner.ts'
import { toFailure } from '../../system/system-error.ts'
import { runHook } from '../hooks.ts'
import { isLost } from '../interrupted.ts'
import { activationFiles, type Job, readJob, removeFiles, type Room } from '../job.ts'
import { openJournal, readJournal } from '../journal.ts'
import { runActivation } from '../run.ts'
import type { World } from '../world.ts'
import { releasesOn } from './releases.ts'
import { turnOn } from './turn.ts'
import { workersOn } from './workers.ts'

/** What the process of an activation does. @throws where there is no verdict */
export async function runJob(job: Job): Promise<Verdict> {
  const files = activationFiles(layoutOf(job.base), job.request.activation)
  await withReserve(files.reserve, () => writeOwner(files.owner))
  const endGuard = guardReserve(files.reserve)
  const world = worldOf(job)
  try {
    const verdict = await runActivation(world, job)
    await removeFiles(files)
    return verdict
  } finally {
    endGuard()
    world.close()
  }
}

function worldOf(job: Job): World & { close(): void } {
  const { activation, release, run } = job.request
  const layout = layoutOf(job.base)
  const files = activationFiles(layout, activation)
  const room: Room = (act) => withReserve(files.reserve, act)
  const journal = openJournal(layout.journal, activation, room)
  const notice = activationFile(layout.base)
  return {
    now: () => performance.now(),
    sleep: (ms) => delay(ms),
    sinceBoot,
    toFailure,
    journal,
    entries: () => readJournal(layout.journal),
    isLost: () => isLost(layout, job.request),
    ...turnOn(layout, job, journal),
    ...releasesOn(layout, run, room),
    ...workersOn(layout, job, room),
    async finish(other) {
      const interrupted = await readJob(activationFiles(layout, other).job)
      if (interrupted !== null) await runJob(interrupted).catch(console.error)
    },
    serving: () => servingRelease(layout).catch(() => null),
    async notify(content) {
      if (content === null) return rm(notice, { force: true })
      const { pid } = process
      const file = { pid, startTime: startTimeOf(pid) ?? '', target: release, ...content }
      await room(() => writeFileAtomic(notice, JSON.stringify(file), 0o600))
    },
    async dismiss() {
      if (lastActivation(layout.base)?.pid !== process.pid) return
      await rm(notice, { force: true }).catch(console.error)
    },
    runHook: (name, commands, { runtime }) => {
      const directory = releaseDirectory(layout, release)
      return runHook({ name, commands, directory, runtime, log: files.hookLog, owner: files.hookOwner })
    },
  }
}
