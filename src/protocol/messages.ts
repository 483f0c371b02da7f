/**
 * What the action and the agent say to each other. Each operation is a guard for its parameters and one for
 * its result; their types are inferred, and both sides check what they receive.
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

/** A release's id: the UTC second in which its upload began, `YYYYMMDDHHMMSS`. */
export const RELEASE_ID = /^\d{14}$/
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
 * How a release runs. It belongs to the release and is kept with it (`.gapless/runtime.json`, mode 0600), so
 * that a rollback brings back the old release's environment and options with its code.
 */
export const runtime = object({
  host: string,
  port: count,
  /** Number of workers; 0 stands for one per core. */
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
})
export type Runtime = Guarded<typeof runtime>

/** `.gapless/release.json`: what a release is and where it came from. */
export const releaseInfo = object({
  id: releaseId,
  commit: string,
  ref: string,
  actor: string,
  /** Null in releases from before this was known. */
  event: nullable(string),
  runUrl: string,
  workflow: string,
  runNumber: count,
  runAttempt: count,
  created: string,
  /** The release's server.js, relative to the release. */
  entry: string,
  /** Where Next.js's static files stand in the release; null in releases from before this was known. */
  staticPath: nullable(string),
  nextVersion: string,
  contentHash: string,
  /** Next.js's, relative to the release; null for a release that was made before it was kept here. */
  distDir: nullable(string),
})
export type ReleaseInfo = Guarded<typeof releaseInfo>

const activationKind = oneOf('deploy', 'rollback', 'restore')

/** `.gapless/verified.json`, written when every worker was shown to serve the release. */
export const verification = object({
  /** When it first served; a release that comes back keeps its time, and with it its place in the history. */
  activatedAt: string,
  /** The last activation that a deploy or a rollback made it live with. */
  activation: string,
  kind: nullable(activationKind),
  /** The activation that went back from it, or past it. */
  leftBy: nullable(string),
})
export type Verification = Guarded<typeof verification>

export const releaseSummary = object({
  id: releaseId,
  live: boolean,
  /** ISO time of the first activation that was verified, or null if there was none. */
  activatedAt: nullable(string),
  /** A rollback left it: it is no default target of another one. */
  left: boolean,
  info: nullable(releaseInfo),
  bytes: count,
})
export type ReleaseSummary = Guarded<typeof releaseSummary>

export const workerState = object({
  pmId: string,
  pid: count,
  /** PM2's word: online, launching, stopped, errored…; `orphaned` where its daemon died and the worker serves on. */
  status: string,
  /** The release that the process really runs, by its own record or its working directory. */
  release: nullable(string),
  /** booting, proving, open (takes traffic), draining. */
  phase: nullable(string),
  restarts: count,
  memoryBytes: count,
})
export type WorkerState = Guarded<typeof workerState>

export const serverFacts = object({
  node: string,
  /** Absolute path of the Node that runs the agent. */
  nodePath: string,
  /** NODE_MODULE_VERSION, for which native modules without Node-API are compiled. */
  nodeAbi: string,
  platform: string,
  arch: string,
  /** glibc's version, or null on musl and others. */
  glibc: nullable(string),
  /** Of what binaries are compiled for, what the processor can do, as /proc/cpuinfo on x86 calls it; empty: unknown. */
  cpuFlags: list(string),
  user: string,
  home: string,
  /** Absolute path of the app's folder. */
  path: string,
  /** Tells this folder on this machine from every other, whatever both are called. */
  identity: string,
  pm2: nullable(object({ version: string, path: string, home: string, running: boolean })),
  /** Where PM2 was looked for; empty where it was found. */
  searched: list(string),
  freeBytes: number,
  freeInodes: number,
  /** What `current` points at. */
  live: nullable(releaseId),
  /** What takes the traffic; null where nothing does, or more than one release. */
  serving: nullable(releaseId),
  /** An activation that swapped and ended without a verdict, because its process or the whole server died. */
  interrupted: nullable(string),
  /** Who holds the lock, for people. */
  lock: nullable(string),
  now: string,
})
export type ServerFacts = Guarded<typeof serverFacts>

/** Failures as they travel. */
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
  'reload',
  'health-check',
  'post-activate',
  'rollback',
] as const
export const activationStep = oneOf(...activationSteps)
export type ActivationStep = Guarded<typeof activationStep>

/** How an activation ended. `failure` says why it is not `live`. */
const verdict = object({
  status: activationStatus,
  /** What serves at the end. */
  live: nullable(releaseId),
  /** What was live when it began. */
  previous: nullable(releaseId),
  /** Where a rollback without `release` goes from here; null where that is nowhere, or nothing was verified. */
  rollsBackTo: nullable(releaseId),
  failure: nullable(failureRecord),
  workers: list(workerState),
  /** The lines about missing files that the workers of a live release logged; '' in verdicts of version 0.1. */
  notFound: missingAs('', string),
})
export type Verdict = Guarded<typeof verdict>

/** Nothing live was touched: what serves is what served. @param failure why */
export function keptVerdict(live: string | null, failure: Verdict['failure']): Verdict {
  return { status: 'kept', live, previous: live, rollsBackTo: null, failure, workers: [], notFound: '' }
}

const before = object({ current: nullable(releaseId), previous: nullable(releaseId) })
export type Before = Guarded<typeof before>

export const entryStates = ['begin', 'note', 'done', 'failed', 'verdict'] as const

/** One line of the journal, and the event that the action sees while it watches an activation. */
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
})
export type JournalEntry = Guarded<typeof journalEntry>

const run = object({
  commit: string,
  ref: string,
  actor: string,
  /** The name of GitHub's event; '' outside of GitHub, as all that follows, and in activations of version 0.1. */
  event: missingAs('', string),
  runUrl: string,
  /** For people: the workflow's name, and the number of its run. */
  workflow: string,
  runNumber: count,
  /** 1, and one more each time that somebody asks for the same run again. */
  runAttempt: count,
})
export type RunInfo = Guarded<typeof run>

/** What the action sees while it waits for a commit, in bytes. */
export const proven = object({ provenBytes: count, totalBytes: count })
export type Proven = Guarded<typeof proven>

const activationId = matching(/^[0-9a-f-]{36}$/)

/** Where the run says that the app is to listen; null: it says nothing of that. */
const said = object({ host: nullable(string), port: nullable(count) })
export type Said = Guarded<typeof said>

export const activationRequest = object({
  /** A UUID that the action chose, by which it finds the activation again after a lost connection. */
  activation: activationId,
  release: releaseId,
  kind: activationKind,
  /** The release that must be current when its turn comes; null: whichever is. */
  replaces: nullable(releaseId),
  run,
  /** All hosts of the run, where there are several: who finds one interrupted knows where to look. */
  hosts: list(string),
  lockTimeoutMs: count,
  preActivate: nullable(string),
  postActivate: nullable(string),
  /** Null where the app is only put back: then the release's own address counts. */
  said: nullable(said),
})
export type ActivationRequest = Guarded<typeof activationRequest>

/** The key of server actions: AES-256, as Next.js makes it itself: `btoa` of 32 bytes. */
export const ACTIONS_KEY = /^[A-Za-z0-9+/]{43}=$/

const nothing = object({})

/** A release that is named as what is different from the base. */
const offered = {
  base: nullable(releaseId),
  /** SHA-256 of the whole manifest. */
  contentHash: string,
  /** Next.js's `distDir`, relative to the release: what may be written at run time is below it. */
  distDir: string,
}

/** Files that an app has written into its own release, and that go with it. */
const writtenInRelease = object({
  release: releaseId,
  /** The first of them, relative to the app; a folder ends with a slash. */
  paths: list(string),
  /** Of all paths. */
  count,
})
export type WrittenInRelease = Guarded<typeof writtenInRelease>

export const findingEffects = ['ends', 'waits', 'recovers', 'replaces', 'gap'] as const

/** What a run would meet, and what that does to it. */
const finding = object({
  /** It would end, with nothing live touched; wait; finish an earlier run first; take the place of something; leave a gap. */
  effect: oneOf(...findingEffects),
  /** Of the failure that it would end with. */
  code: nullable(string),
  message: string,
  remedy: nullable(string),
})
export type Finding = Guarded<typeof finding>

/** Every operation of the agent: parameters, result. `body` operations are followed by data frames. */
export const operations = {
  inspect: { params: nothing, result: serverFacts },
  releases: { params: nothing, result: object({ releases: list(releaseSummary) }) },
  status: {
    params: nothing,
    result: object({
      /** What `current` points at. */
      live: nullable(releaseId),
      /** What the workers that take traffic run, where they all run the same. */
      served: nullable(releaseId),
      releases: list(releaseSummary),
      workers: list(workerState),
      lock: nullable(string),
      interrupted: nullable(string),
      journal: list(journalEntry),
    }),
  },
  /**
   * Several hosts: each is asked which id its next upload would get, then told the one that all of them use.
   */
  reserve: { params: object({ id: nullable(releaseId) }), result: object({ id: releaseId }) },
  /** The key that Next.js builds server actions with, the same for all releases of the app; null: there is none. */
  encryptionKey: {
    params: object({ create: boolean }),
    result: object({ key: nullable(matching(ACTIONS_KEY)) }),
  },
  /** What of its newest release the server can name to upload on top of it: see agent/upload/outline.ts. */
  outline: {
    params: nothing,
    result: object({
      base: nullable(releaseId),
      /** Base64: the short hashes of its folders. */
      folders: string,
    }),
  },
  /**
   * Body: the manifest, compressed, as what is different from the base. Reserves an id and answers which contents
   * the server lacks.
   */
  stage: {
    params: object({
      ...offered,
      /** The upload that this one takes up, with its id: the connection was lost. Its session is ended. */
      resumes: nullable(releaseId),
    }),
    result: object({
      id: releaseId,
      /** What is taken up was complete, and is a release already: there is nothing left to do. */
      committed: boolean,
      /** Base64 bitmap over the manifest's files, in order: 1 = send it. */
      missing: string,
      reusedFiles: count,
      reusedBytes: count,
    }),
  },
  /** Body: the next so many of the missing contents in their order (sending-order.ts), one after the other, compressed. */
  fill: {
    params: object({
      /** Null before the answer to `stage` has come: they count only where all contents are missing (`not-missing`). */
      id: nullable(releaseId),
      files: count,
    }),
    result: object({ bytes: count }),
  },
  /** Makes it a release; or answers, once, what turned out to be damaged on the server and has to be filled too. */
  commit: {
    params: object({
      id: releaseId,
      entry: string,
      staticPath: nullable(string),
      nextVersion: string,
      run,
      runtime,
    }),
    /** `leftOut`: shared paths at which the release brought something that the shared content does not have. */
    result: object({ path: nullable(string), missing: string, leftOut: list(string) }),
  },
  /**
   * For a dry run, as are the next: changes nothing. Body as of `stage`. Answers which contents the server lacks, and
   * whether it lacks room for them (`disk-full`).
   */
  compare: {
    params: object(offered),
    result: object({ missing: string, lack: nullable(failureRecord) }),
  },
  /** What a run would meet, and what its cleanup would remove. */
  rehearse: {
    params: object({
      /** That a rollback would go to; null: a deploy's, which is not there yet. */
      release: nullable(releaseId),
      run,
      /** Where the app would listen; null: where the release has it. */
      address: nullable(object({ host: string, port: count })),
      said,
      keep: count,
    }),
    result: object({ findings: list(finding), pruned: list(releaseId) }),
  },
  /** Proves every file of a release by its hash, and puts back what is missing or damaged. */
  audit: {
    params: object({
      id: releaseId,
      /** False: changes nothing, and tells what would be put back. */
      repair: boolean,
    }),
    result: object({
      files: count,
      bytes: count,
      /** Paths that were put back from other releases. */
      healed: list(string),
      /** Paths outside of code that are not what arrived. */
      changed: list(string),
    }),
  },
  /**
   * Boots the release on a spare port and asks its health; fails with the app's last lines. `notFound` has the lines
   * that tell of missing files all the same.
   */
  verify: {
    params: object({ id: releaseId, said }),
    result: object({
      bootMs: count,
      status: count,
      attempts: count,
      /** Ports other than `app-port` that the app opens, and that were taken: it got free ones in their place. */
      movedPorts: list(count),
      notFound: string,
    }),
  },
  /** Takes back a deploy that failed: its release counts as verified no more, and goes if nobody uses it. */
  discard: { params: object({ id: releaseId, remove: boolean }), result: object({ removed: boolean }) },
  /** Begins an activation, detached from the session; its journal entries come as events. */
  activate: { params: activationRequest, result: verdict },
  /**
   * Takes up watching one that was begun in another session. With `withdraw` it ends `kept` if it has not swapped
   * yet: its run was cancelled.
   */
  watch: { params: object({ activation: activationId, withdraw: boolean }), result: verdict },
  cleanup: {
    params: object({ keep: count, activation: activationId }),
    result: object({
      removed: list(releaseId),
      inUse: list(releaseId),
      kept: list(releaseId),
      /** Who holds the lock, and cleans up afterwards: nothing was done. */
      leftTo: nullable(string),
      /** What the app wrote into releases that serve no more; told once for each time that they served. */
      written: list(writtenInRelease),
    }),
  },
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

/** What the agent answers: any number of events, then a result or an error. `alive`: the work goes on. */
export const reply = object({
  id: count,
  kind: oneOf('event', 'alive', 'result', 'error'),
  value: (value: unknown) => value,
})
export type Reply = Guarded<typeof reply>
