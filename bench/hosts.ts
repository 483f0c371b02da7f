/**
 * What one more host costs the runner: connect, assemble and upload to 1, 2, 5, 20 and 50 hosts, once for a first
 * deploy and once for a one-page change, over one uplink of 100 Mbit/s and 20 ms round trip.
 *
 *   npm run bench:hosts -- [--hosts 1,2,5,20,50] [--real 1,2,5] [--builds FOLDER] [--parallel 10]
 *
 * The hosts are embedded SSH servers on this machine in another process; those of --real are sshd in network
 * namespaces, which needs root. The agents share the runner's processors: where the wall time is longer than the
 * bytes take, that is why. CPU, memory and bytes are the runner's process alone.
 */
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { lchownSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compileSources } from './compile.ts'
import type { Servers } from './hosts/servers.ts'
import { exampleApp } from './transfer/trees.ts'

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '1,2,5,20,50' },
    /** As many real ones besides. */
    real: { type: 'string', default: '' },
    /** Keep the builds of the example app there, and use those that are there. */
    builds: { type: 'string' },
    parallel: { type: 'string', default: '10' },
  },
})
const root = join(import.meta.dirname, '..')
const bitsPerSecond = 100_000_000
const roundTripMs = 20

interface Run {
  readonly connectMs: number
  readonly assembleMs: number
  readonly uploadMs: number
  readonly sentBytes: number
  readonly cpuMs: number
  readonly rssBytes: number
  readonly id: string
}

const work = mkdtempSync(join(tmpdir(), 'gapless-bench-hosts-'))
try {
  await bench()
} finally {
  rmSync(work, { recursive: true, force: true })
}

async function bench(): Promise<void> {
  const compiled = compileSources()
  const [first, second] = await exampleApp(values.builds ?? join(work, 'builds'))
  console.log(
    '| hosts | what | sent | runner CPU | CPU per further host | peak memory | wall time | of it, the bytes take |',
  )
  console.log('| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |')
  for (const [kind, counts] of [
    ['embedded', values.hosts],
    ['real', values.real],
  ] as const) {
    const alone: Record<string, Run> = {}
    for (const count of counts.split(',').map(Number).filter(Boolean)) {
      const folder = join(work, `${kind}-${count}`)
      const args = [kind, count, folder, bitsPerSecond, roundTripMs].map(String)
      const servers = fork(join(import.meta.dirname, 'hosts', 'servers.ts'), args)
      const [started] = (await once(servers, 'message')) as [Servers]
      try {
        for (const [what, { workspace }] of [
          ['first deploy', first],
          ['one-page change', second],
        ] as const) {
          const run = await upload(compiled, started, workspace)
          alone[what] ??= run
          print(count, kind, what, run, alone[what])
          for (const { home } of started.hosts) makeLive(home, run.id)
        }
      } finally {
        servers.disconnect()
        await once(servers, 'exit')
        rmSync(folder, { recursive: true, force: true })
      }
    }
  }
}

function upload(compiled: string, { username, clientKey, hosts }: Servers, workspace: string): Promise<Run> {
  const settings = {
    inputs: {
      host: hosts.map(({ port }) => `127.0.0.1:${port}`).join('\n'),
      username,
      key: clientKey,
      'known-hosts': hosts.map(({ knownHosts }) => knownHosts).join('\n'),
      path: 'app',
      'install-command': 'none',
      'build-command': 'none',
      'max-parallel': values.parallel,
      'connect-timeout': '120s',
    },
    workspace,
    agentFile: join(root, 'dist', 'agent.cjs'),
    launcherFile: join(root, 'dist', 'launcher.cjs'),
  }
  const args = [join(import.meta.dirname, 'transfer', 'runner.mjs'), compiled, JSON.stringify(settings)]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 }, (error, out, errors) =>
      error ? reject(new Error(errors.slice(-4000))) : resolve(JSON.parse(out) as Run),
    )
  })
}

/** What the activation would do: the next upload builds on the live release. */
function makeLive(home: string, id: string): void {
  const current = join(home, 'app', 'current')
  rmSync(current, { force: true })
  symlinkSync(join('releases', id), current)
  const { uid, gid } = statSync(home)
  lchownSync(current, uid, gid)
}

function print(count: number, kind: 'embedded' | 'real', what: string, run: Run, alone: Run): void {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`
  const { connectMs, assembleMs, uploadMs, sentBytes, cpuMs, rssBytes } = run
  const cells = [
    kind === 'real' ? `${count} real` : count,
    what,
    `${(sentBytes / 1e6).toFixed(2)} MB`,
    seconds(cpuMs),
    count === 1 ? '' : seconds((cpuMs - alone.cpuMs) / (count - 1)),
    `${(rssBytes / 1e6).toFixed(0)} MB`,
    seconds(connectMs + assembleMs + uploadMs),
    seconds((sentBytes * 8000) / bitsPerSecond),
  ]
  console.log(`| ${cells.join(' | ')} |`)
}
