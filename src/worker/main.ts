/**
 * The launcher: what PM2 starts. It lives in the release, loads the release's own environment, starts the
 * release's server on a private port, and opens the public one only when the release has proved itself.
 *
 *   node launcher.cjs --candidate    the same on a spare port, to check a release before it goes live
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'
import { lastActivation, readActivation } from './activation-file.ts'
import { sinceBoot } from '../common/since-boot.ts'
import type { Address } from '../common/listening-sockets.ts'
import { becomeLikeWorker } from './candidate.ts'
import { applyEnvironment } from './environment.ts'
import { createFrontDoor, type FrontDoor } from './front-door.ts'
import { applyLateVariables, applyToThread } from './late-variables.ts'
import { otherReleases } from './other-releases.ts'
import { outliveDaemon } from './orphan.ts'
import { leadThread, leadToOwnPorts, type OwnPorts } from './own-ports.ts'
import { capturePublicServer } from './private-port.ts'
import { proveHealthy } from './proof.ts'
import { behaveAsPreview, NOINDEX } from './preview.ts'
import { openPublicPort } from './public-port.ts'
import { openPublicSocket } from './public-socket.ts'
import { keepRecord, type Recorder } from './record.ts'
import { readRelease, type Release } from './release.ts'
import { holdSignals } from './signals.ts'
import { openShare, type Share } from './share.ts'
import { shareCache } from './shared-cache/index.ts'
import { moveTakenPorts } from './taken-ports.ts'
import { countTraffic } from './traffic.ts'

/** How long the app's own signal handlers may take after the last request, at the least, in milliseconds. */
const CLEANUP_TIMEOUT = 5000

/**
 * A worker that PM2 starts anew must not stay away from a site whose health check fails for another reason, such as
 * a database that is down: a release that went live before opens on any answer after this time, in milliseconds.
 */
const INSIST = 5000

export async function launch(launcherFile: string, candidate: boolean): Promise<void> {
  if (!isMainThread) {
    applyToThread()
    return leadThread(launcherFile)
  }
  const release = readRelease(dirname(launcherFile))
  const { runtime } = release
  const { host, port: publicPort, socket } = runtime
  const address = { host, port: publicPort, socket }
  const flags = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/)]
  applyEnvironment(process.env, runtime)
  applyLateVariables(runtime.env, dirname(release.entry), flags)

  if (socket !== null) behaveAsPreview()
  // A candidate ends with the agent that started it.
  if (candidate) {
    becomeLikeWorker(release.directory)
    process.once('disconnect', () => process.exit(1))
    process.channel?.unref()
  }

  const records = join(release.appDirectory, '.gapless', 'workers')
  const record = keepRecord(records, release.id, candidate)
  const signals = holdSignals()
  const counter = countTraffic((traffic) => record.update({ traffic }))
  let door: FrontDoor | undefined
  let share: Share | undefined
  let leaving = false
  let draining = false

  const leave = async (signal: 'SIGINT' | 'SIGTERM') => {
    if (leaving) return
    leaving = true
    if (door && !candidate) await otherReleaseSettled(release, record)
    draining = true
    counter.leave()
    record.update({ phase: 'draining' })
    // A socket from which nobody accepts would let visitors wait.
    share?.socket?.close()
    // Nobody but the agent and a test ever came through a candidate's door.
    const drainTimeout = candidate ? 0 : runtime.drainTimeoutMs
    const deadline = performance.now() + drainTimeout
    if (!candidate) await door?.drain(drainTimeout)
    // Next.js finishes `after()` work in its handler (15.5, 16.4), and then exits. A handler may also throw.
    setTimeout(() => process.exit(0), Math.max(CLEANUP_TIMEOUT, deadline - performance.now())).unref()
    if (!signals.release(signal)) process.exit(0)
  }
  signals.onSignal((signal) => void leave(signal))

  const activation = readActivation(release.appDirectory)
  if (activation?.halt === true && !candidate) {
    record.update({ phase: 'halted' })
    // Without a server nothing else need keep the process until its signal comes.
    setInterval(() => undefined, 2 ** 30)
    process.send?.('ready')
    return
  }
  const onTrial = candidate || activation?.target === release.id
  const ownPorts = leadToOwnPorts(launcherFile)
  // A preview must not share a second port with the app that it previews either.
  if (candidate || socket !== null) followMovedPorts(publicPort, ownPorts, record)
  const captured = capturePublicServer(publicPort, ownPorts)
  const others = otherReleases(release)
  shareCache(release, candidate, (cache) => record.update({ cache }))
  await load(release.entry)

  const { server, port } = await captured
  record.update({ phase: 'proving', port })
  others.attach(server)
  const headers = socket === null ? {} : NOINDEX
  const frontDoor = createFrontDoor(server, { headers, onRequest: counter.count })
  await proveHealthy({
    port,
    check: runtime.health,
    observeMs: onTrial && !candidate && activation?.observe === true ? runtime.observeMs : 0,
    insistMs: onTrial ? Infinity : INSIST,
    onAnswer: ({ detail, excerpt }) => record.update({ detail, excerpt }),
  })
  if (leaving) return

  door = frontDoor
  let doorPort: number
  if (candidate) {
    doorPort = (await door.open((front) => front.listen(0, '127.0.0.1'))).port
  } else {
    const { appDirectory } = release
    const isDraining = () => draining
    share = openShare(records, isDraining)
    doorPort = await openPublic(door, address, records, share)
    if (draining) return share.socket?.close()
    const drain = () => void leave('SIGINT')
    outliveDaemon({ door, address, appDirectory, records, record, share, isDraining, leave: drain })
  }
  record.update({ phase: 'open', doorPort })
  process.send?.('ready')
}

async function openPublic(door: FrontDoor, address: Address, records: string, share: Share): Promise<number> {
  const { host, port, socket } = address
  try {
    if (!socket) return await openPublicPort(door, address, records, share)
    await openPublicSocket(door, socket, records, share)
    return port
  } catch (error) {
    console.error(`gapless: cannot listen on ${socket ?? `${host}:${port}`}: ${(error as Error).message}`)
    process.exit(1)
  }
}

function followMovedPorts(publicPort: number, ownPorts: OwnPorts, record: Recorder): void {
  const movedPorts = new Set<number>()
  moveTakenPorts(({ port, protocol, address }) => {
    // A second server on it would stand in the way of the first.
    if (port === publicPort) return
    record.update({ movedPorts: [...movedPorts.add(port)] })
    const isReachable = ['127.0.0.1', '0.0.0.0', '::'].includes(address.address)
    if (protocol === 'tcp' && isReachable) ownPorts.lead(port, address.port)
  })
}

const TICK = 50

/**
 * PM2 tells an old worker to leave as soon as the new one has opened its door. The old one goes on serving until the
 * activation has its verdict: should the new release fail after all, nobody notices. It says how long it can: PM2
 * kills what is late (`kill_timeout`).
 */
async function otherReleaseSettled({ id, appDirectory }: Release, record: Recorder): Promise<void> {
  const told = sinceBoot()
  // Without an activation there is nothing to wait for. One that dies from here on may be taken up.
  let activation = readActivation(appDirectory)
  while (activation !== null && activation.target !== id && sinceBoot() - told < activation.stay) {
    record.update({ leavesAt: told + activation.stay })
    await delay(TICK)
    activation = lastActivation(appDirectory)
  }
}

/** server.js is CommonJS, or ESM in a package of `"type": "module"`; `import()` loads both. */
async function load(entry: string): Promise<void> {
  process.argv.splice(1, process.argv.length, entry)
  try {
    createRequire(entry)(entry)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ERR_REQUIRE_ESM' && code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error
    await import(/* webpackIgnore: true */ pathToFileURL(entry).href)
  }
}
