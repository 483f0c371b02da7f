/** PM2, the app's workers, and what they claim on the server. */
import { realpathSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { askHealth } from '../../../common/health.ts'
import { assertClaims } from '../../pm2/claims.ts'
import { connectPm2, type Pm2 } from '../../pm2/client.ts'
import { daemonPid } from '../../pm2/daemon.ts'
import { endDaemon } from '../../pm2/end-daemon.ts'
import { nodeMove, rememberOthers, startOthers, whyNotMove } from '../../pm2/move.ts'
import { assertNoOtherDoor } from '../../pm2/port.ts'
import { readWorkers } from '../../pm2/workers.ts'
import type { Layout } from '../../store/layout.ts'
import { signal } from '../../system/processes.ts'
import { reachable } from '../../system/sockets.ts'
import type { Act, Seen } from '../decide.ts'
import { daemonLog, daemonLogSince, lastLines, logsSince, notFoundSince } from '../evidence.ts'
import type { Goal } from '../goal.ts'
import { instancesOf } from '../instances.ts'
import type { Job, Room } from '../job.ts'
import { availableMemory } from '../memory.ts'
import { forgetReplaced, lookAtReplaced, putBack, readReplaced, writeReplaced } from '../replaced.ts'
import { byId, isOurs, lookAtWorkers, programOf } from '../workers.ts'
import type { Workers } from '../world.ts'

/** Whose event loop turns has answered by then, whatever the answer is, in ms. */
const HUNG = 5000

interface Connection {
  readonly pm2: Pm2
  /** PM2's, when this began. */
  readonly daemon: number | null
  /** How long the workers' logs and PM2's own were then, in bytes. */
  readonly logs: ReadonlyMap<string, number>
}

export function workersOn(layout: Layout, job: Job, room: Room): Workers & { close(): void } {
  const { appName, pm2Home, pm2Path: path, pm2Version: version } = job
  let connection: Connection | null = null
  const connected = (): Connection => {
    if (connection === null) throw new Error('PM2 is not connected')
    return connection
  }
  const list = () => connected().pm2.list(appName)
  const running = async () => {
    const { pm2 } = connected()
    return { all: await pm2.all(), daemon: await daemonPid(pm2Home), program: await pm2.program() }
  }

  const connect = async () => {
    // PM2's client has one connection in a process: a second one gets no answers while the first is open (7.0.4).
    if (connection !== null && connection.daemon === (await daemonPid(pm2Home))) return
    const known = connection?.logs
    connection?.pm2.close()
    const pm2 = await connectPm2({ path, version }, pm2Home)
    connection = { pm2, daemon: null, logs: new Map() }
    const files = (await list()).flatMap(({ errorLog, outLog }) => [errorLog, outLog])
    const logs = known ?? (await sizesOf([daemonLog(pm2Home), ...files]))
    connection = { pm2, daemon: await daemonPid(pm2Home), logs }
  }

  return {
    connect,
    async moveNode() {
      // An earlier process may have died in the middle.
      await startOthers(pm2Home, connected().pm2)
      const daemon = await daemonPid(pm2Home)
      const move = nodeMove(daemon, [])
      // A daemon runs on the Node of whoever starts it.
      if (daemon === null || move === null || realpathSync(process.execPath) !== move.node) return null
      const all = await connected().pm2.all()
      if ((await whyNotMove(all, layout.base)) !== null) return null
      const others = all.filter(({ name }) => name !== appName)
      await room(() => rememberOthers(pm2Home, others))
      await endDaemon(daemon)
      await connect()
      await startOthers(pm2Home, connected().pm2)
      return `PM2 moved from Node ${move.from} to ${move.version}, and the workers kept serving meanwhile`
    },
    close: () => connection?.pm2.close(),
    daemon: () => daemonPid(pm2Home),
    list: async () => byId(await list()),
    records: async () => (await readWorkers(layout.workers)).filter(({ candidate }) => !candidate),
    async look({ health, replacing = false }) {
      const { pm2 } = connected()
      const seen = await lookAtWorkers({ layout, pm2, appName })
      const answers = health === undefined ? nothing : await ask(seen, health)
      const ids = replacing ? seen.listed.map(({ process: { id } }) => id) : []
      const aside = await Promise.all(ids.map((id) => pm2.isReplacing(id)))
      return { ...seen, ...answers, replacing: new Set(ids.filter((_, index) => aside[index])) }
    },
    act: (act) => perform(connected().pm2, act),
    savePm2: () => connected().pm2.save(),
    freeMemory: async () => availableMemory(await daemonPid(pm2Home)),
    instancesOf: (runtime) => instancesOf(runtime, connected().daemon),
    async evidence() {
      const { logs } = connected()
      const written = await list().then(
        (processes) => logsSince(processes, logs),
        () => '',
      )
      const parts = [lastLines(await daemonLogSince(pm2Home, logs)), lastLines(written)]
      return parts.filter((part) => part !== '').join('\n')
    },

    notFound: (release) =>
      list().then(
        (processes) => notFoundSince(processes, connected().logs, release),
        () => '',
      ),

    async findReplaced() {
      const now = await running()
      const program = programOf(layout)
      const processes = now.all.filter(({ name }) => name === appName)
      const ours = processes.filter((process) => isOurs(process, program))
      const foreign = processes.filter((process) => !ours.includes(process))
      return lookAtReplaced(layout, { ours, foreign }, now)
    },
    readReplaced: async () => readReplaced(layout),
    writeReplaced: (replaced) => room(() => writeReplaced(layout, replaced)),
    forgetReplaced: () => forgetReplaced(layout),
    putBack: (replaced) => putBack({ layout, pm2: connected().pm2, appName, withReserve: room }, replaced),

    assertClaims: async (address, said) => assertClaims({ layout, appName, address, said }, await running()),
    async assertNoOtherDoor(address) {
      // A preview's socket lies beside its folder, and is nobody else's.
      if (address.socket) return
      await assertNoOtherDoor(layout.base, address, await connected().pm2.all())
    },
  }
}

function perform(pm2: Pm2, act: Act): Promise<void> {
  switch (act.do) {
    case 'reload':
    case 'restart':
      return pm2[act.do](act.id, act.options)
    case 'stop':
    case 'remove':
    case 'duplicate':
      return pm2[act.do](act.id)
    case 'start':
      return pm2.start(act.app)
    case 'sigint':
      // As PM2 does: the worker closes its door and drains.
      return send(act.pid, 'SIGINT')
    case 'kill':
      return send(act.pid, 'SIGKILL')
    case 'kill-if-hung':
      return killIfHung(act)
  }
}

async function send(pid: number, name: NodeJS.Signals): Promise<void> {
  signal(pid, name)
}

async function killIfHung({ pid, port, check }: Extract<Act, { do: 'kill-if-hung' }>): Promise<void> {
  const { status } = await askHealth('127.0.0.1', port, check, HUNG)
  if (status === 0) signal(pid, 'SIGKILL')
}

const nothing: Pick<Seen, 'answers' | 'door'> = { answers: new Map(), door: null }

async function ask(
  { listed }: Pick<Seen, 'listed'>,
  { release, runtime }: Goal,
): Promise<Pick<Seen, 'answers' | 'door'>> {
  const { health, port } = runtime
  const records = listed.flatMap(({ record }) => record ?? [])
  const open = records.filter((record) => record.release === release && record.phase === 'open')
  const asked = open.map(async (record) => {
    const answer = await askHealth('127.0.0.1', record.port, health)
    return [record.pid, answer] as const
  })
  const door = askHealth(reachable(runtime), port, health)
  return { answers: new Map(await Promise.all(asked)), door: await door }
}

async function sizesOf(files: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const sizes = files.map(async (file) => [file, (await stat(file).catch(() => ({ size: 0 }))).size] as const)
  return new Map(await Promise.all(sizes))
}
