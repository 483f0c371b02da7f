/** The whole action with a small change, at several sizes of the app: what a deploy adds to the build. */
import { execFileSync } from 'node:child_process'
import { runAction } from '../../__tests__/support/runner.ts'
import { startServer, type TestServer } from '../../__tests__/support/server.ts'
import { median } from '../median.ts'
import { largeApp, type Version } from './trees.ts'
import { startWire, type WireOptions } from './wire.ts'

/** In their order. The first ends with the build. */
const PHASES = ['build', 'assemble', 'upload', 'verify', 'swap', 'reload', 'health-check'] as const
type Phase = (typeof PHASES)[number]

/** From the end of the phase before, in ms. */
type Times = Readonly<Record<Phase, number>>

/** @param factors how many times the files and bytes of the example app */
export async function benchLive(
  versions: readonly [Version, Version],
  builds: string,
  factors: readonly number[],
  runs: number,
  wire: Omit<WireOptions, 'targetPort'>,
): Promise<void> {
  const sizes = factors.map((factor) => sizeOf(versions, builds, factor))
  const samples = sizes.map((): Times[] => [])
  const servers: TestServer[] = []
  try {
    for (let run = 0; run < runs; run += 1) {
      for (const [index, size] of sizes.entries()) {
        const server = await startServer()
        servers.push(server)
        samples[index]!.push(await deployChange(server, size, wire))
        await server.pm2('kill')
      }
    }
  } finally {
    // Removed at the end only: see the folders of transfer.ts.
    for (const server of servers) await server.stop()
  }
  const [, ...phases] = PHASES
  console.log(`| files | ${phases.join(' | ')} | from the build to live | range | runs |`)
  console.log(`| ---: | ${phases.map(() => '---:').join(' | ')} | ---: | --- | ---: |`)
  for (const [index, times] of samples.entries()) {
    const wholes = times.map((each) => phases.reduce((sum, phase) => sum + each[phase], 0))
    const cells = [
      sizes[index]!.files.toLocaleString('en'),
      ...phases.map((phase) => seconds(median(times.map((each) => each[phase])))),
      seconds(median(wholes)),
      `${seconds(Math.min(...wholes))} to ${seconds(Math.max(...wholes))}`,
      runs,
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

interface Size {
  readonly files: number
  readonly first: Version
  readonly second: Version
}

function sizeOf(example: readonly [Version, Version], builds: string, factor: number): Size {
  const [files, bytes] = sizeOfTree(example[0].tree)
  const [first, second] =
    factor === 1 ? example : largeApp(example[0], builds, (factor - 1) * files, (factor - 1) * bytes)
  return { files: factor * files, first, second }
}

function sizeOfTree(folder: string): readonly [files: number, bytes: number] {
  const sizes = execFileSync('find', [folder, '-type', 'f', '-printf', '%s\\n'], { encoding: 'utf8' })
  const all = sizes.trimEnd().split('\n').map(Number)
  return [all.length, all.reduce((sum, size) => sum + size, 0)]
}

async function deployChange(
  server: TestServer,
  { first, second }: Size,
  options: Omit<WireOptions, 'targetPort'>,
): Promise<Times> {
  const wire = await startWire({ ...options, targetPort: server.sshd.port })
  const { sshd, inputs } = server
  const given = { ...inputs, 'install-command': 'none', 'build-command': 'none' }
  const overWire = {
    ...given,
    port: String(wire.port),
    'known-hosts': inputs['known-hosts']!.replace(`:${sshd.port} `, `:${wire.port} `),
  }
  const ends: Partial<Record<string, number>> = {}
  try {
    const before = await runAction({ workspace: first.workspace, inputs: given })
    if (before.code !== 0) throw new Error(before.log)
    const { code, log } = await runAction({
      workspace: second.workspace,
      inputs: overWire,
      onLine(line) {
        const [, phase] = /\(([a-z-]+): [^()]+\)$/.exec(line) ?? []
        if (phase !== undefined) ends[phase] = performance.now()
      },
    })
    if (code !== 0) throw new Error(log)
  } finally {
    await wire.stop()
  }
  const times = PHASES.slice(1).map((phase, index) => [phase, ends[phase]! - ends[PHASES[index]!]!] as const)
  return { build: 0, ...Object.fromEntries(times) } as Times
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}
