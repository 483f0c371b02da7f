/**
 * The messages between the action and the agent. Each operation is a guard for its parameters and one for its
 * result; their types are inferred, and both sides check what they receive.
 */
import type { HealthCheck } from '../common/health.ts'
import {
  boolean,
  count,
  dictionary,
  type Guard,
  type Guarded,
  list,
  matching,
  missingAs,
  nullable,
  number,
  object,
  oneOf,
  string,
} from './guards.ts'
import { RELEASE_ID } from './release-id.ts'
import { share } from './tally.ts'
import { traffic } from './traffic.ts'

const releaseId = matching(RELEASE_ID)

const healthCheck: Guard<HealthCheck> = object({
  path: string,
  status: list(list(count)),
  body: nullable(string),
  timeoutMs: count,
  intervalMs: count,
  origin: nullable(object({ scheme: oneOf('http', 'https'), host: string })),
})

/**
 * How a release runs. It is kept with the release (`.gapless/runtime.json`, mode 0600), so that a rollback
 * restores the old release's environment and options with its code.
 */
export const runtime = object({
  host: string,
  port: count,
  /** Number of workers; 0 means one per core. */
  instances: count,
  maxMemoryBytes: nullable(count),
  nodeOptions: list(string),
  env: dictionary(string),
  health: healthCheck,
  observeMs: count,
  drainTimeoutMs: count,
  /** Paths, relative to the app, that live in `<path>/shared`. */
  sharedDirs: list(string),
  sharedFiles: list(string),
  /** Releases from before this was known have the default. */
  shareCache: missingAs(true, boolean),
  /** The Unix socket that a preview listens on instead of its port; null for every other app. */
  socket: missingAs(null, nullable(string)),
})
export type Runtime = Guarded<typeof runtime>

/** `.gapless/release.json`: what a release is and where it came from. */
export const releaseInfo = object({
  id: releaseId,
  commit: string,
  ref: string,
  actor: string,
  /** Null in releases from before this was recorded. */
  event: nullable(string),
  runUrl: string,
  workflow: string,
  runNumber: count,
  runAttempt: count,
  created: string,
  /** When its build began, by the server's clock; null in releases from before this was known. */
  built: nullable(string),
  /** The release's server.js, relative to the release. */
  entry: string,
  /** Next.js's static files, relative to the release; null in releases from before this was recorded. */
  staticPath: nullable(string),
  nextVersion: string,
  contentHash: string,
  /** Next.js's `distDir`, relative to the release; null in releases from before this was recorded. */
  distDir: nullable(string),
})
export type ReleaseInfo = Guarded<typeof releaseInfo>

const activationKind = oneOf('deploy', 'rollback', 'restore')

/** `.gapless/verified.json`, written when every worker served the release. */
export const verification = object({
  /** When it first served. A release that comes back keeps its time, and so its place in the history. */
  activatedAt: string,
  /** The last activation by which a deploy or a rollback made it live. */
  activation: string,
  kind: nullable(activationKind),
  /** The activation that rolled back from it, or past it. */
  leftBy: nullable(string),
})
export type Verification = Guarded<typeof verification>

export const releaseSummary = object({
  id: releaseId,
  live: boolean,
  /** ISO time of the first verified activation, or null. */
  activatedAt: nullable(string),
  /** A rollback left it: it is no default target of another rollback. */
  left: boolean,
  /** It waits to be promoted: it was verified, has never served, and is newer than the current release. */
  staged: boolean,
  info: nullable(releaseInfo),
  bytes: count,
})
export type ReleaseSummary = Guarded<typeof releaseSummary>

/** Whether a worker's cache is one with that of the others. */
export const cacheSharing = object({
  shared: boolean,
  /** Empty where it is. */
  why: string,
})
export type CacheSharing = Guarded<typeof cacheSharing>

export const workerState = object({
  pmId: string,
  pid: count,
  /** PM2's word: online, launching, stopped, errored…; `orphaned` where its daemon died and the worker serves on. */
  status: string,
  /** The release that the process really runs, by its own record or its working directory. */
  release: nullable(string),
  /** booting, proving, open (receives traffic), draining. */
  phase: nullable(string),
  restarts: count,
  memoryBytes: count,
  /** Null where the worker does not tell. */
  cache: nullable(cacheSharing),
  /** Null where the worker does not count, or had no visitor. */
  traffic: nullable(traffic),
})
export type WorkerState = Guarded<typeof workerState>

export const serverFacts = object({
  node: string,
  nodePath: string,
  /** NODE_MODULE_VERSION, for which native modules without Node-API are compiled. */
  nodeAbi: string,
  /** Why PM2's daemon stays on a Node that setup has replaced; empty: it does not. */
  nodeStays: string,
  platform: string,
  arch: string,
  /** glibc's version, or null on musl and others. */
  glibc: nullable(string),
  /** What binaries are compiled for, by the names in /proc/cpuinfo on x86; empty: unknown. */
  cpuFlags: list(string),
  /** Absolute path of the app's folder. */
  path: string,
  /** Identifies this folder on this machine, whatever names both have. */
  identity: string,
  pm2: nullable(object({ version: string, path: string, home: string })),
  searched: list(string),
  freeBytes: number,
  /** Whether the agent's Node can unpack zstd (22.15, 23.8 and later). */
  zstd: boolean,
  newestId: nullable(releaseId),
  /** What `current` points at. */
  live: nullable(releaseId),
  /** The release that receives the traffic; null where none does, or more than one. */
  serving: nullable(releaseId),
  /** An activation that swapped and ended without a verdict, because its process or the server died. */
  interrupted: nullable(string),
  /** The release that one worker serves as a canary; null where there is none. */
  canary: nullable(releaseId),
  /** How the last canary or probation went, or goes, as a sentence; null where there is nothing to tell. */
  probation: nullable(string),
  lock: nullable(string),
  now: string,
})
export type ServerFacts = Guarded<typeof serverFacts>

export const failureRecord = object({
  code: matching(/^[a-z][a-z0-9-]{0,63}$/),
  message: string,
  remedy: nullable(string),
  evidence: nullable(string),
})

export const activationStatuses = ['live', 'kept', 'restored', 'down'] as const
export const activationStatus = oneOf(...activationStatuses)
export type ActivationStatus = Guarded<typeof activationStatus>

export const activationSteps = [
  'lock',
  'pre-activate',
  'swap',
  'canary',
  'reload',
  'health-check',
  'post-activate',
  'watch',
  'rollback',
] as const
export const activationStep = oneOf(...activationSteps)
export type ActivationStep = Guarded<typeof activationStep>

/** How an activation ended. `failure` says why it is not `live`. */
const verdict = object({
  status: activationStatus,
  /** The release that serves at the end. */
  live: nullable(releaseId),
  /** The release that was live before. */
  previous: nullable(releaseId),
  /** Where a rollback without `release` goes from here; null where there is none, or nothing was verified. */
  rollsBackTo: nullable(releaseId),
  failure: nullable(failureRecord),
  workers: list(workerState),
  /** The lines about missing files that the workers of a live release logged; '' in verdicts of version 0.1. */
  notFound: missingAs('', string),
  /** Null where nobody watched it. */
  watch: nullable(
    object({
      /** The release is on probation: this is no verdict yet. */
      open: boolean,
      /** What traffic has said last. */
      line: string,
      warnings: list(string),
    }),
  ),
})
export type Verdict = Guarded<typeof verdict>

/** Nothing live was touched: the same release serves as before. @param failure the reason */
export function keptVerdict(live: string | null, failure: Verdict['failure']): Verdict {
  return {
    status: 'kept',
    live,
    previous: live,
    rollsBackTo: null,
    failure,
    workers: [],
    notFound: '',
    watch: null,
  }
}

const before = object({ current: nullable(releaseId), previous: nullable(releaseId) })
export type Before = Guarded<typeof before>

/** A release on probation, for whoever resumes the activation. */
const probation = object({
  /** When it began, of since-boot.ts. */
  since: count,
  /** How the release before did until then; null: unknown. */
  before: nullable(share),
  restartsBefore: count,
  pids: list(count),
  /** What comes of it if nothing objects. */
  verdict,
})
export type Probation = Guarded<typeof probation>

/** One worker of the release beside those of the release before, for whoever resumes the activation. */
const canary = object({
  release: releaseId,
  /** When it began, of since-boot.ts. */
  since: count,
  pid: count,
  /** What the workers of the release before had answered by then. */
  others: list(object({ pid: count, answered: count, failed: count })),
})
export type Canary = Guarded<typeof canary>

export const entryStates = ['begin', 'note', 'done', 'failed', 'verdict'] as const

/** One line of the journal, and the event that the action receives while it watches an activation. */
export const journalEntry = object({
  time: string,
  activation: string,
  step: nullable(activationStep),
  state: oneOf(...entryStates),
  detail: string,
  verdict: nullable(verdict),
  /** Of the begin of `swap`: the release that `current` pointed at, and the one to restore. Version 0.1 wrote none. */
  before: nullable(before),
  /** Of the begin of `rollback`: the failure that it is for. Version 0.1 wrote none. */
  cause: nullable(failureRecord),
  /** Of the begin of `watch`. */
  probation: nullable(probation),
  /** Of the begin of `canary`, once the worker serves. */
  canary: nullable(canary),
})
export type JournalEntry = Guarded<typeof journalEntry>

const compression = oneOf('brotli', 'zstd')
export type Compression = Guarded<typeof compression>

const run = object({
  commit: string,
  ref: string,
  actor: string,
  /** GitHub's event; '' outside of GitHub, as all that follows, and in activations of version 0.1. */
  event: missingAs('', string),
  runUrl: string,
  /** For people: the workflow's name, and the number of its run. */
  workflow: string,
  runNumber: count,
  /** 1, and one more for each re-run. */
  runAttempt: count,
})
export type RunInfo = Guarded<typeof run>

/** What the action sees while it waits for a commit, in bytes. */
export const proven = object({ provenBytes: count, totalBytes: count })
export type Proven = Guarded<typeof proven>

const activationId = matching(/^[0-9a-f-]{36}$/)

/** The address that the run itself names; null: it names none. */
const said = object({ host: nullable(string), port: nullable(count) })
export type Said = Guarded<typeof said>

export const activationRequest = object({
  /** A UUID of the action's, by which it finds the activation again after a lost connection. */
  activation: activationId,
  release: releaseId,
  kind: activationKind,
  /** The release that must be current when the activation starts; null: any. */
  replaces: nullable(releaseId),
  run,
  lockTimeoutMs: count,
  preActivate: nullable(string),
  postActivate: nullable(string),
  /** Null where the app is only restored: the release's own address counts. */
  said: nullable(said),
  /** How long one worker serves the release before the others follow; 0: they follow at once. */
  canaryMs: missingAs(0, count),
  /** How long the release stays on probation once all workers serve it; 0: not at all. */
  watchMs: missingAs(0, count),
})
export type ActivationRequest = Guarded<typeof activationRequest>

/** The key of server actions: AES-256, 32 bytes in base64, as Next.js makes it. */
export const ACTIONS_KEY = /^[A-Za-z0-9+/]{43}=$/

const nothing = object({})

const offered = {
  base: nullable(releaseId),
  contentHash: string,
  /** Next.js's `distDir`, relative to the release: what may be written at run time is below it. */
  distDir: string,
}

/** Files that an app has written into its own release, and that are removed with it. */
const writtenInRelease = object({
  release: releaseId,
  /** The first few, relative to the app; a folder ends with a slash. */
  paths: list(string),
  /** Of all paths. */
  count,
})
export type WrittenInRelease = Guarded<typeof writtenInRelease>

const prunedPreview = object({
  name: string,
  reason: oneOf('ttl', 'limit'),
  /** ISO. */
  deployed: string,
  /** Why it is still there; null: it was removed. */
  problem: nullable(string),
})
export type PrunedPreview = Guarded<typeof prunedPreview>

export const findingEffects = ['ends', 'waits', 'recovers', 'replaces', 'gap'] as const

/** What a run would meet, and the effect. */
const finding = object({
  /** The run would: end, nothing live touched; wait; finish an earlier run first; replace something; leave a gap. */
  effect: oneOf(...findingEffects),
  code: nullable(string),
  message: string,
  remedy: nullable(string),
})
export type Finding = Guarded<typeof finding>

const surveyRow = object({
  /** Whether a deploy works with it, or works but should not have to. */
  level: oneOf('ok', 'doubt'),
  what: string,
  value: string,
  remedy: nullable(string),
})
export type SurveyRow = Guarded<typeof surveyRow>

export const verified = object({
  bootMs: count,
  status: count,
  attempts: count,
  /** Other ports that the app opens and that were taken: it got free ones instead. */
  movedPorts: list(count),
  notFound: string,
  cache: nullable(cacheSharing),
})

/** Every operation of the agent: parameters, result. `body` operations are followed by data frames; `verify` also answers with some. */
export const operations = {
  inspect: { params: nothing, result: serverFacts },
  releases: { params: nothing, result: object({ releases: list(releaseSummary) }) },
  status: {
    params: nothing,
    result: object({
      /** What `current` points at. */
      live: nullable(releaseId),
      /** The release of the workers that receive traffic, where all run the same. */
      served: nullable(releaseId),
      releases: list(releaseSummary),
      workers: list(workerState),
      lock: nullable(string),
      interrupted: nullable(string),
      /** How the current release has done since it went live; null where no worker tells. */
      lived: nullable(string),
      journal: list(journalEntry),
    }),
  },
  /** The key that Next.js builds server actions with, the same for all releases of the app; null: there is none. */
  encryptionKey: {
    params: object({ create: boolean }),
    result: object({ key: nullable(matching(ACTIONS_KEY)) }),
  },
  /** The outline of the newest release, to upload on top of: see agent/upload/outline.ts. */
  outline: {
    params: nothing,
    result: object({
      base: nullable(releaseId),
      /** Base64: the short hashes of its folders. */
      folders: string,
    }),
  },
  /** Body: the manifest as the difference from the base, compressed. Answers which contents the server lacks. */
  stage: {
    params: object({
      ...offered,
      id: releaseId,
      /** The connection was lost: this resumes the upload of that id, and ends its session. */
      resumes: boolean,
    }),
    result: object({
      /** The upload that this resumes had been committed: there is nothing left to do. */
      committed: boolean,
      /** Base64 bitmap over the manifest's files, in order: 1 = send it. */
      missing: string,
      reusedBytes: count,
    }),
  },
  /** Body: the next `files` missing contents in order (sending-order.ts), compressed. */
  fill: {
    params: object({ id: releaseId, files: count, compression }),
    result: object({ bytes: count }),
  },
  /** Makes the upload a release; or answers, once, which reused files were damaged and must be sent too. */
  commit: {
    params: object({
      id: releaseId,
      entry: string,
      staticPath: nullable(string),
      nextVersion: string,
      /** How long ago its build began: the clocks of runner and server may differ. */
      builtMsAgo: count,
      run,
      runtime,
    }),
    /** `leftOut`: shared paths where the release has something that the shared content lacks. */
    result: object({ path: nullable(string), missing: string, leftOut: list(string) }),
  },
  /**
   * For a dry run, like the next operation: changes nothing. Body as of `stage`. Answers which contents the
   * server lacks, and whether its disk is too small (`disk-full`).
   */
  compare: {
    params: object(offered),
    result: object({ missing: string, lack: nullable(failureRecord) }),
  },
  dryRun: {
    params: object({
      /** The target of a rollback; null: a deploy, whose release does not exist yet. */
      release: nullable(releaseId),
      run,
      /** Where the app would listen; null: where the release listens. */
      address: nullable(object({ host: string, port: count })),
      said,
      keep: count,
    }),
    result: object({ findings: list(finding), pruned: list(releaseId) }),
  },
  /** Verifies every file of a release by its hash, and restores what is missing or damaged. */
  integrity: {
    params: object({
      id: releaseId,
      /** False: changes nothing, and answers what could be restored. */
      repair: boolean,
    }),
    result: object({
      files: count,
      bytes: count,
      repaired: list(string),
      /** Paths outside of code that differ from the upload. */
      changed: list(string),
    }),
  },
  /**
   * Boots the release on a spare port and checks its health. Fails with the app's last lines. `notFound` has
   * the lines about missing files in any case.
   *
   * With `testMs` the release stays up after that for as long as a body comes, and for so long at the most: an event says
   * that it is healthy, and data frames both ways are a tunnel to its port (tunnel.ts). What was written into its caches
   * is put back afterwards.
   */
  verify: {
    params: object({
      id: releaseId,
      said,
      testMs: nullable(count),
      /** No rollback: its workers will run on the Node that setup brought last. */
      deploys: boolean,
    }),
    result: verified,
  },
  /**
   * Marks a verified release as staged: a later `promote` may activate it. Fails where a newer release, or one of a later
   * run, has gone live meanwhile.
   */
  markStaged: {
    params: object({ id: releaseId, run }),
    /** The release that serves. */
    result: object({ serving: nullable(releaseId) }),
  },
  /** For previews, before anything is built: what keeps the preview from being deployed, and what is worth knowing. */
  preparePreview: {
    params: object({
      memoryBytes: count,
    }),
    result: object({
      /** Whether it runs as the user that the app belongs to. */
      sharesUser: boolean,
      /** Why the proxy's user cannot connect to the socket, and the commands that change it. */
      unreachable: nullable(object({ user: string, path: string, commands: string })),
    }),
  },
  /** Removes the app's other previews that were not deployed for `ttlMs`, or are more than `limit` with this one. */
  prunePreviews: {
    params: object({ ttlMs: count, limit: nullable(count) }),
    result: object({ removed: list(prunedPreview) }),
  },
  removePreview: {
    params: object({ lockTimeoutMs: count, dryRun: boolean }),
    result: object({
      /** Null where there was none. */
      release: nullable(releaseId),
      found: boolean,
    }),
  },
  /** Undoes a failed deploy: the release no longer counts as verified, and is removed if nothing uses it. */
  discard: { params: object({ id: releaseId, remove: boolean }), result: object({ removed: boolean }) },
  /** Starts an activation, detached from the session. Its journal entries arrive as events. */
  activate: { params: activationRequest, result: verdict },
  /** Watches an activation of an earlier session. `withdraw`, of a cancelled run, ends it `kept` before the swap. */
  watch: { params: object({ activation: activationId, withdraw: boolean }), result: verdict },
  cleanup: {
    params: object({ keep: count, activation: activationId }),
    result: object({
      removed: list(releaseId),
      inUse: list(releaseId),
      kept: list(releaseId),
      /** The holder of the lock, who cleans up afterwards: nothing was done. */
      leftTo: nullable(string),
      /** What the app wrote into releases that no longer serve; reported once for each time that they served. */
      written: list(writtenInRelease),
      /** Versions of Node and PM2 that setup had replaced and nothing ran from, below the home. */
      runtimes: list(string),
    }),
  },
  /** Rows of `check`. Changes nothing. */
  survey: { params: nothing, result: object({ rows: list(surveyRow) }) },
} as const

export type Operation = keyof typeof operations
export type Params<O extends Operation> = Guarded<(typeof operations)[O]['params']>
export type Result<O extends Operation> = Guarded<(typeof operations)[O]['result']>

export const request = object({
  id: count,
  operation: oneOf(...(Object.keys(operations) as Operation[])),
  params: (value: unknown) => value,
  body: boolean,
})
export type Request = Guarded<typeof request>

/** The agent's answers: any number of events, then a result or an error. `alive`: the work goes on. */
export const reply = object({
  id: count,
  kind: oneOf('event', 'alive', 'result', 'error'),
  value: (value: unknown) => value,
})
export type Reply = Guarded<typeof reply>
