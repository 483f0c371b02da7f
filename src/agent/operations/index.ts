/** The operations of the protocol, each in terms of the modules that carry it out. */
import { failure } from '../../common/errors/server.ts'
import { failure as runFailure } from '../../common/errors/run.ts'
import type { Operation, Params, Result } from '../../protocol/messages.ts'
import { pm2Missing } from '../../protocol/server-programs.ts'
import { servedRelease, type Worker } from '../activation/decide.ts'
import { isOurs, lookAtWorkers, programOf, toStates } from '../activation/workers.ts'
import { interruptedActivation } from '../activation/interrupted.ts'
import { lived } from '../activation/lived.ts'
import { assertNotOvertaken } from '../activation/overtaken.ts'
import { type ActivationContext, startActivation, watchActivation } from '../activation/start.ts'
import { checkIntegrity } from '../store/integrity.ts'
import { verifyCandidate } from '../activation/candidate.ts'
import { endOrphanedCandidates } from '../activation/candidates.ts'
import { assertClaims, type Running } from '../pm2/claims.ts'
import type { Call } from './call.ts'
import { cleanUp, releasesInUse } from './cleanup.ts'
import { tunnelFor } from './tunnel-for.ts'
import { keepCaches } from '../store/caches.ts'
import { encryptionKey } from '../store/encryption-key.ts'
import { findPm2, type InstalledPm2 } from '../pm2/find.ts'
import { readJournal } from '../activation/journal.ts'
import { assertLauncher } from '../store/launcher.ts'
import { layoutOf, makeFolders, releaseDirectory } from '../store/layout.ts'
import { appOf, socketOf } from '../store/previews.ts'
import { lockHolder } from '../system/lock.ts'
import { outline } from '../upload/outline.ts'
import { connectPm2, pm2Home } from '../pm2/client.ts'
import { daemonPid } from '../pm2/daemon.ts'
import { cleanEnvironment } from '../system/environment.ts'
import { nodeMove, whyNotMove } from '../pm2/move.ts'
import { removeOldRuntimes } from '../system/runtime.ts'
import { type PlannedMove, survey } from './survey.ts'
import {
  isRelease,
  liveRelease,
  listReleases,
  markRejected,
  markStaged,
  readRuntime,
  releaseIds,
  removeRelease,
} from '../store/releases.ts'
import { compare, dryRun } from './dry-run.ts'
import { type Pm2Access, preparePreview, prunePreviews, removePreview } from './previews.ts'
import { inspectServer } from './inspect.ts'
import { readableByOthers } from '../system/umask.ts'
import { createUploads } from '../upload/upload.ts'
import { servingRelease } from '../pm2/serving.ts'
import { orphansIn, orphanStates } from '../pm2/orphans.ts'
import { workerStart } from '../pm2/worker-start.ts'
import { readWorkers } from '../pm2/workers.ts'

export interface AgentOptions {
  /** The app's folder, absolute. */
  readonly base: string
  readonly appName: string
  /** Folders to search first for PM2. */
  readonly binPath: readonly string[]
  /** The folder is a preview of the app two folders above. */
  readonly preview?: boolean
  /** The agent's own file on this server; empty when it runs from memory and may change nothing. */
  readonly agentFile: string
}

export type Handlers = { readonly [O in Operation]: (params: Params<O>, call: Call) => Promise<Result<O>> }

export interface Operations {
  readonly handlers: Handlers
  /** The session is over: undoes what was started and not finished. */
  end(): Promise<void>
}

const JOURNAL_ENTRIES = 20

export function createOperations({
  base,
  appName,
  binPath,
  preview = false,
  agentFile,
}: AgentOptions): Operations {
  const layout = layoutOf(base)
  const search = findPm2(binPath)
  const home = pm2Home()
  const uploads = createUploads(layout, preview)
  // The folder of a preview is removed one day, and PM2's daemon may be started from here.
  const cwd = preview ? appOf(layout).base : base

  const installedPm2 = (): InstalledPm2 => {
    if (search.found !== null) return search.found
    throw pm2Missing(search.searched, process.execPath)
  }

  const existing = async (id: string): Promise<string> => {
    if (await isRelease(layout, id)) return releaseDirectory(layout, id)
    const ids = await releaseIds(layout)
    throw failure('unknown-release', { release: id, known: ids.join(', ') || 'none yet' })
  }

  /** Never starts a daemon: where none runs there are no workers. */
  const pm2Access: Pm2Access = {
    home,
    async with(act) {
      if (search.found === null || (await daemonPid(home)) === null) return act(null)
      const pm2 = await connectPm2(search.found, home, { mayStart: false })
      try {
        return await act(pm2)
      } finally {
        pm2.close()
      }
    },
  }

  const workers = (): Promise<readonly Worker[]> =>
    pm2Access.with(async (pm2) =>
      pm2 === null ? [] : (await lookAtWorkers({ layout, pm2, appName })).listed,
    )

  const running = async (): Promise<Running> => {
    const daemon = await daemonPid(home)
    return pm2Access.with(async (pm2) =>
      pm2 === null
        ? { all: [], daemon, program: null }
        : { all: await pm2.all(), daemon, program: await pm2.program() },
    )
  }

  const context = (node = process.execPath): ActivationContext => {
    if (agentFile === '') throw failure('agent-not-kept', { folder: layout.own })
    return { layout, appName, agentFile, pm2: installedPm2(), pm2Home: home, node, cwd }
  }

  /** Null where a deploy leaves the daemon on its Node. A preview touches nothing but itself. */
  const planMove = async (): Promise<PlannedMove | null> => {
    const move = preview ? null : nodeMove(await daemonPid(home), binPath)
    if (move === null) return null
    const { all } = await running()
    return { ...move, hindrance: await whyNotMove(all, base) }
  }
  /** The Node that workers of a deploy will run on, where that is not the daemon's. */
  const nextNode = async (): Promise<string | undefined> => {
    const move = await planMove()
    return move === null || move.hindrance !== null ? undefined : move.node
  }

  return {
    handlers: {
      inspect: async () => inspectServer(layout, search, home, await planMove()),
      releases: async () => ({ releases: await listReleases(layout) }),
      status: async () => {
        const found = await workers()
        const records = await readWorkers(layout.workers)
        const lock = await lockHolder(layout.lock)
        const interrupted = await interruptedActivation(layout)
        const live = await liveRelease(layout)
        const entries = await readJournal(layout.journal)
        const processes = found.map(({ process }) => process)
        const isAsUsual = lock === null && interrupted === null && orphansIn(records).length === 0
        return {
          live,
          // An activation, at work or interrupted, may have replaced some workers, and PM2 does not list orphans.
          served: isAsUsual ? servedRelease(found) : await servingRelease(layout),
          releases: await listReleases(layout),
          workers: [...toStates(found), ...orphanStates(records)],
          lock,
          interrupted,
          lived: lived(entries, live, processes, records),
          journal: entries.slice(-JOURNAL_ENTRIES),
        }
      },
      encryptionKey: async ({ create }) => {
        if (create) makeFolders(layout)
        return { key: await encryptionKey(layout, create) }
      },
      outline: () => outline(layout, ...(preview ? [appOf(layout)] : [])),
      stage: (params, { body }) => readableByOthers(() => uploads.stage(params, body)),
      fill: ({ id, files, compression }, { body }) =>
        readableByOthers(() => uploads.fill(id, files, body, compression)),
      commit: (params, { event }) => readableByOthers(() => uploads.commit(params, event)),
      compare: (params, { body }) => compare(layout, params, body, preview),
      dryRun: async (params) =>
        dryRun({ layout, appName, socket: preview ? socketOf(layout) : null }, params, await running()),
      integrity: async ({ id, repair }, { alive }) => {
        await existing(id)
        return readableByOthers(() => checkIntegrity(layout, id, repair, alive))
      },
      verify: async ({ id, said, testMs, deploys }, call) => {
        await existing(id)
        makeFolders(layout)
        await endOrphanedCandidates(layout)
        await assertLauncher(layout, id)
        const runtime = await readRuntime(layout, id)
        const now = await running()
        await assertClaims({ layout, appName, address: runtime, said }, now)
        const kept = now.all.find((process) => process.name === appName && isOurs(process, programOf(layout)))
        const inherited = await workerStart(cwd, home, kept?.definition ?? null)
        const node = deploys ? await nextNode() : undefined
        const { PATH = '' } = cleanEnvironment(node)
        const start = node === undefined ? inherited : { ...inherited, node, env: { ...inherited.env, PATH } }
        if (testMs === null) return verifyCandidate(layout, id, runtime, start, call.alive)
        const putBack = await keepCaches(layout, id, call.alive)
        try {
          return await verifyCandidate(layout, id, runtime, start, call.alive, tunnelFor(call, testMs))
        } finally {
          await putBack()
        }
      },
      markStaged: async ({ id, run }) => {
        await existing(id)
        const live = await liveRelease(layout)
        if (live !== null && live > id)
          throw runFailure('staged-outdated: while staging', { release: id, current: live })
        await assertNotOvertaken(layout, run, live)
        await markStaged(layout, id)
        return { serving: await servingRelease(layout) }
      },
      preparePreview: async (params) => preparePreview({ layout, appName }, params, await running()),
      prunePreviews: (params, { alive }) => prunePreviews(layout, params, pm2Access, alive),
      removePreview: (params) => removePreview(layout, params, pm2Access),
      discard: async ({ id, remove }) => {
        const live = await liveRelease(layout)
        if (id === live || !(await isRelease(layout, id))) return { removed: false }
        await markRejected(layout, id)
        // A running activation may have to go back to it. The next cleanup removes it.
        if (!remove || (await lockHolder(layout.lock)) !== null) return { removed: false }
        await endOrphanedCandidates(layout)
        if ((await releasesInUse(layout, [id])).has(id)) return { removed: false }
        await removeRelease(layout, id)
        return { removed: true }
      },
      activate: async (request, { event, alive }) => {
        const node = request.kind === 'deploy' ? await nextNode() : undefined
        return startActivation(context(node), request, { onEntry: event, alive })
      },
      watch: ({ activation, withdraw }, { event, alive }) =>
        watchActivation(layout, () => context(), activation, withdraw, { onEntry: event, alive }),
      cleanup: async ({ keep, activation }, { alive }) => {
        const cleaned = await cleanUp(layout, keep, activation, alive)
        const program = await running().then(
          (now) => now.program,
          () => undefined,
        )
        // Without an answer nobody knows which PM2 runs.
        const runtimes =
          program === undefined ? [] : await removeOldRuntimes(program === null ? [] : [program])
        return { ...cleaned, runtimes }
      },
      survey: async () => ({
        rows: await survey({ layout, appName, home, now: await running(), move: await planMove() }),
      }),
    },
    end: () => uploads.abandon(),
  }
}
