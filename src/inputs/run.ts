/** What the runner's environment, and the event that started the workflow, tell of the workflow run. A local run has little of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunInfo } from '../protocol/messages.ts'

export interface Run {
  readonly workspace: string
  /** `owner/name` */
  readonly repository: string | null
  /** Of GitHub's REST API. */
  readonly apiUrl: string
  /** Its number, where the workflow runs for one. */
  readonly pullRequest: number | null
  readonly run: RunInfo
}

export function readRun(env: NodeJS.ProcessEnv): Run {
  // The runner sets a variable that it does not know to the empty text.
  const variable = (name: string) => env[name] ?? ''
  const repository = variable('GITHUB_REPOSITORY')
  const runId = variable('GITHUB_RUN_ID')
  const server = variable('GITHUB_SERVER_URL') || 'https://github.com'
  const workspace = variable('GITHUB_WORKSPACE') || process.cwd()
  const pullRequest = pullRequestIn(variable('GITHUB_EVENT_PATH'))
  return {
    workspace,
    repository: repository || null,
    apiUrl: (variable('GITHUB_API_URL') || 'https://api.github.com').replace(/\/+$/, ''),
    pullRequest: pullRequest?.number ?? null,
    run: {
      // For a pull request GITHUB_SHA is a merge with its base, which the workflow need not have checked out.
      commit: isCheckedOut(workspace, pullRequest?.head?.sha) ?? variable('GITHUB_SHA'),
      ref: variable('GITHUB_REF'),
      actor: variable('GITHUB_ACTOR'),
      event: variable('GITHUB_EVENT_NAME'),
      runUrl: repository && runId ? `${server}/${repository}/actions/runs/${runId}` : '',
      workflow: variable('GITHUB_WORKFLOW'),
      runNumber: Number(variable('GITHUB_RUN_NUMBER') || 0),
      runAttempt: Number(variable('GITHUB_RUN_ATTEMPT') || 1),
    },
  }
}

interface PullRequest {
  readonly number?: number
  readonly head?: { readonly sha?: string }
}

function pullRequestIn(eventFile: string): PullRequest | null {
  const event = textOf(eventFile)
  try {
    return (JSON.parse(event) as { readonly pull_request?: PullRequest }).pull_request ?? null
  } catch {
    return null
  }
}

/** Returns the commit where exactly that is checked out, as actions/checkout does with `ref`; else null. */
function isCheckedOut(workspace: string, commit: string | undefined): string | null {
  return commit !== undefined && textOf(join(workspace, '.git/HEAD')).trim() === commit ? commit : null
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
