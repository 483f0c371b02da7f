/** Where a run came from, and the addresses that the report links to. All come from the runner alone. */
import type { RunInfo } from '../protocol/messages.ts'

export interface Origin {
  readonly commit: string
  readonly actor: string
  readonly runNumber: number
  /** Null if it is unknown, as every address. */
  readonly runUrl: string | null
  readonly repositoryUrl: string | null
  /** The page of error codes, of this version of the action. */
  readonly errorsUrl: string | null
}

const SERVER = /^https?:\/\/[\w.-]+(:\d+)?$/
const REPOSITORY = /^[\w.-]+\/[\w.-]+$/
const REF = /^[\w./-]+$/
const COMMIT = /^[0-9a-f]{7,64}$/

export function originOf({ commit, actor, runNumber }: RunInfo, env: NodeJS.ProcessEnv): Origin {
  const repositoryUrl = repositoryAt(env['GITHUB_REPOSITORY'], env)
  const action = repositoryAt(env['GITHUB_ACTION_REPOSITORY'], env)
  const ref = matching(REF, env['GITHUB_ACTION_REF']) ?? 'HEAD'
  const runId = matching(/^\d+$/, env['GITHUB_RUN_ID'])
  return {
    commit,
    actor,
    runNumber,
    repositoryUrl,
    runUrl: repositoryUrl === null || runId === null ? null : `${repositoryUrl}/actions/runs/${runId}`,
    errorsUrl: action && `${action}/blob/${ref}/docs/errors.md`,
  }
}

/** Returns null for a text that is no commit. */
export function commitUrl({ repositoryUrl }: Origin, commit: string): string | null {
  return repositoryUrl !== null && COMMIT.test(commit) ? `${repositoryUrl}/commit/${commit}` : null
}

/** Returns null for a text that is no error code. */
export function errorUrl({ errorsUrl }: Origin, code: string): string | null {
  return errorsUrl !== null && /^[a-z][a-z0-9-]*$/.test(code) ? `${errorsUrl}#${code}` : null
}

function repositoryAt(repository: string | undefined, env: NodeJS.ProcessEnv): string | null {
  const server = matching(SERVER, env['GITHUB_SERVER_URL'])
  const path = matching(REPOSITORY, repository)
  return server === null || path === null ? null : `${server}/${path}`
}

function matching(pattern: RegExp, text: string | undefined): string | null {
  return text !== undefined && pattern.test(text) ? text : null
}
