/** The action on a bare server, with builds of the example that are made already. */
import { type BareUser, type BareUserOptions, startBareUser } from './bare-user.ts'
import { buildOfExample } from './builds.ts'
import { type Load, startLoad } from './load.ts'
import { prebuilt, runAction, type RunResult } from './runner.ts'
import type { Workspace } from './workspace.ts'

export interface PrebuiltSite {
  readonly server: BareUser
  /** @param version which of the two builds */
  run(command: string, more?: Readonly<Record<string, string>>, version?: 0 | 1): Promise<RunResult>
  load(): Load
  stop(): Promise<void>
}

export async function startPrebuiltSite(options: BareUserOptions = {}): Promise<PrebuiltSite> {
  const server = await startBareUser(options)
  const builds = [await buildOfExample('first'), await buildOfExample('second')] as const
  return {
    server,
    run: (command, more, version = 0) => runPrebuilt(server, builds[version], command, more),
    load: () =>
      startLoad(
        `http://127.0.0.1:${server.port}`,
        { keepAlive: 4, fresh: 2, post: 2, stream: 1 },
        { maxMs: 300_000, maxRequests: 100_000 },
      ),
    async stop() {
      await server.stop()
      for (const build of builds) build.remove()
    },
  }
}

export function runPrebuilt(
  { inputs }: BareUser,
  { path }: Workspace,
  command: string,
  more: Readonly<Record<string, string>> = {},
): Promise<RunResult> {
  return runAction({ inputs: { ...inputs, ...prebuilt, command, ...more }, workspace: path })
}
