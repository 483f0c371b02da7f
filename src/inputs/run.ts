/** What the runner's environment tells of the workflow run. A local run has little of it. */
import type { RunInfo } from '../protocol/messages.ts'

export interface Run {
  readonly workspace: string
  /** `owner/name` */
  readonly repository: string | null
  readonly run: RunInfo
}

export function readRun(env: NodeJS.ProcessEnv): Run {
  // The runner sets a variable that it does not know to the empty text.
  const variable = (name: string) => env[name] ?? ''
  const repository = variable('GITHUB_REPOSITORY')
  const runId = variable('GITHUB_RUN_ID')
  const server = variable('GITHUB_SERVER_URL') || 'https://github.com'
  return {
    workspace: variable('GITHUB_WORKSPACE') || process.cwd(),
    repository: repository || null,
    run: {
      commit: variable('GITHUB_SHA'),
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
