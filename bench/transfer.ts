/**
 * What a transfer costs: Gapless beside rsync, a tarball and sftp, all over one sshd and one wire of 50 ms round
 * trip and 100 Mbit/s, in one run.
 *
 *   npm run bench:transfer -- [--runs 5] [--builds FOLDER] [--large [--files N] [--megabytes N]] [--sftp] [--just]
 *     [--only gapless] [--live 1,4,16]
 *
 * Bytes are both ways, login included, as the wire counted them, without TCP's own. Waits are how often the
 * client had to wait for the other end. Prints Markdown; medians of the runs. `--live` deploys a small change to apps so
 * many times as large as the example by the whole action, and tells what comes after the build.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startServer } from '../__tests__/support/server.ts'
import { compileSources } from './compile.ts'
import { median } from './median.ts'
import { type Upload, uploadWithGapless } from './transfer/gapless.ts'
import { benchLive } from './transfer/live.ts'
import { loginFor, type Peer, peersWith } from './transfer/peers.ts'
import { exampleApp, largeApp, type Version } from './transfer/trees.ts'
import { startWire, type Traffic, type Wire } from './transfer/wire.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    /** Keep the builds there, and use those that are there. */
    builds: { type: 'string' },
    large: { type: 'boolean', default: false },
    files: { type: 'string', default: '50000' },
    megabytes: { type: 'string', default: '1000' },
    sftp: { type: 'boolean', default: false },
    /** Only what --large and --sftp add. */
    just: { type: 'boolean', default: false },
    only: { type: 'string' },
    live: { type: 'string' },
  },
})
const roundTripMs = 50
const bitsPerSecond = 100_000_000

interface Sample extends Traffic {
  readonly ms: number
  /** From the end of the build: Gapless has connected before it. */
  readonly afterBuildMs: number
  readonly upload?: Upload
}

interface Case {
  readonly title: string
  readonly before: Version | undefined
  readonly version: Version
  readonly peers: readonly Peer[]
  readonly runs: number
  /** The version is a preview's first, and the one before it the app's. */
  readonly preview?: boolean
}

const work = mkdtempSync(join(tmpdir(), 'gapless-transfer-'))
const network = { roundTripMs, bitsPerSecond }
const server = await startServer()
const wire = await startWire({ targetPort: server.sshd.port, ...network })
/**
 * Each run has a folder of its own on the server: nothing that an earlier one left can be of use. All are removed at the
 * end: ext4 without a journal passes over the inodes that were freed within the last minutes, one by one, so that each
 * run would make its files more slowly than the one before (Linux 6.18: 0.3 s of the kernel's time, then 1.6 s).
 */
let folders = 0

try {
  await bench()
} finally {
  await wire.stop()
  await server.stop()
  rmSync(work, { recursive: true, force: true })
}

async function bench(): Promise<void> {
  const compiled = compileSources()
  const peers = peersWith(loginFor(server, wire.port, work))
  const builds = values.builds ?? join(work, 'builds')
  const [first, second] = await exampleApp(builds)
  const runs = Number(values.runs)
  if (values.live !== undefined)
    return benchLive([first, second], builds, values.live.split(',').map(Number), runs, network)
  const { rsync, rsyncChecksum, rsyncLinkDest, tarball, tarballAction, sftp } = peers
  const example: Case[] = [
    {
      title: 'first deploy',
      before: undefined,
      version: first,
      peers: [rsync, tarball, tarballAction],
      runs,
    },
    {
      title: 'one-page change',
      before: first,
      version: second,
      peers: [rsyncLinkDest, rsync, tarball],
      runs,
    },
    {
      title: 'first preview of a one-page change',
      before: first,
      version: second,
      peers: [],
      runs,
      preview: true,
    },
    { title: 'identical content', before: first, version: first, peers: [rsyncChecksum], runs },
  ]
  const cases = values.just ? [] : example
  if (values.sftp)
    cases.push({ title: 'first deploy', before: undefined, version: first, peers: [sftp], runs: 1 })
  if (values.large) {
    const [one, two] = largeApp(first, builds, Number(values.files), Number(values.megabytes) * 1_000_000)
    const large = `${Number(values.files).toLocaleString('en')} files, ${values.megabytes} MB`
    cases.push({ title: `${large}: first deploy`, before: undefined, version: one, peers: [rsync], runs: 1 })
    cases.push({ title: `${large}: one file`, before: one, version: two, peers: [rsyncLinkDest], runs: 1 })
  }
  console.log('| case | by | bytes both ways | up | down | waits | time | time after the build | runs |')
  console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
  for (const each of cases) await measure(each, compiled)
}

/** They take turns, so that what else the machine does meets all of them. */
async function measure(
  { title, before, version, peers, runs, preview = false }: Case,
  compiled: string,
): Promise<void> {
  const ways = new Map([['Gapless', () => gapless(compiled, before, version, preview)]])
  if (values.only !== 'gapless') {
    for (const peer of peers) ways.set(peer.name, () => byPeer(peer, before, version))
  }
  const samples = new Map([...ways.keys()].map((name) => [name, [] as Sample[]]))
  for (let index = 0; index < runs; index += 1) {
    for (const [name, send] of ways) {
      // Gapless flushes what it writes: what the one before it left to be written is not its to wait for.
      execFileSync('sync')
      // The build has just been written: it is in memory.
      for (const folder of [version.workspace, version.tree]) readAll(folder)
      samples.get(name)!.push(await send())
    }
  }
  for (const [name, some] of samples) print(title, name, some)
  const uploads = samples.get('Gapless')!.map(({ upload }) => upload!)
  const memory = (side: 'runnerBytes' | 'agentBytes') =>
    Math.max(...uploads.map((upload) => upload[side] / 1e6)).toFixed(0)
  process.stderr.write(
    `${uploads.at(-1)?.detail}; peak memory: runner ${memory('runnerBytes')} MB, agent ${memory('agentBytes')} MB\n`,
  )
}

function readAll(folder: string): void {
  execFileSync('sh', ['-c', `find '${folder}' -type f -exec cat {} + > /dev/null`])
}

function newFolder(): string {
  folders += 1
  return join(server.home, `run-${folders}`)
}

async function gapless(
  compiled: string,
  before: Version | undefined,
  version: Version,
  preview: boolean,
): Promise<Sample> {
  const path = newFolder()
  // The agent is there from an earlier deploy, or from none: both as in life.
  if (before !== undefined)
    await uploadWithGapless(server, compiled, server.sshd.port, before.workspace, path)
  const { value: upload, ...sample } = await timed(wire, () =>
    uploadWithGapless(server, compiled, wire.port, version.workspace, path, preview),
  )
  const { connectMs, assembleMs, uploadMs } = upload
  // Without the start of the process, which the others do not have to the same extent.
  return { ...sample, ms: connectMs + assembleMs + uploadMs, afterBuildMs: assembleMs + uploadMs, upload }
}

async function byPeer(peer: Peer, before: Version | undefined, version: Version): Promise<Sample> {
  const folder = newFolder()
  mkdirSync(folder)
  const previous = before && join(folder, 'previous')
  if (before !== undefined) execFileSync('cp', ['-r', before.tree, previous!])
  // Into a folder of its own where the peer can take over from the last release, and over it where it cannot.
  const target =
    previous !== undefined && !peer.name.includes('link-dest') ? previous : join(folder, 'release')
  const { value: _, ...sample } = await timed(wire, () => peer.send(version.tree, target, previous))
  return { ...sample, afterBuildMs: sample.ms }
}

async function timed<T>(over: Wire, act: () => Promise<T>): Promise<Traffic & { ms: number; value: T }> {
  over.reset()
  const begun = performance.now()
  const value = await act()
  return { value, ms: performance.now() - begun, ...over.traffic() }
}

function print(title: string, name: string, samples: readonly Sample[]): void {
  const of = (figure: (sample: Sample) => number) => median(samples.map(figure))
  const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} KB`
  const cells = [
    title,
    name,
    kilobytes(of(({ up, down }) => up + down)),
    kilobytes(of(({ up }) => up)),
    kilobytes(of(({ down }) => down)),
    of(({ waits }) => waits),
    `${(of(({ ms }) => ms) / 1000).toFixed(2)} s`,
    `${(of(({ afterBuildMs }) => afterBuildMs) / 1000).toFixed(2)} s`,
    samples.length,
  ]
  console.log(`| ${cells.join(' | ')} |`)
}
