/** What the runner's environment tells of the workflow run. */

/** The workflow run, as far as the runner tells; a local run has little of it. */
export interface Run {
  readonly workspace: string
  readonly repository: string | undefined
  readonly sha: string | undefined
  readonly ref: string | undefined
  readonly actor: string | undefined
  /** The name of the event that began it. */
  readonly event: string | undefined
  readonly runUrl: string | undefined
  readonly workflow: string | undefined
  /** For people: it begins anew when a workflow is renamed. 0 outside of GitHub. */
  readonly runNumber: number
  readonly runAttempt: number
}

export function readRun(env: NodeJS.ProcessEnv): Run {
  const repository = given(env['GITHUB_REPOSITORY'])
  const runId = given(env['GITHUB_RUN_ID'])
  const server = given(env['GITHUB_SERVER_URL']) ?? 'https://github.com'
  return {
    workspace: given(env['GITHUB_WORKSPACE']) ?? process.cwd(),
    repository,
    sha: given(env['GITHUB_SHA']),
    ref: given(env['GITHUB_REF']),
    actor: given(env['GITHUB_ACTOR']),
    event: given(env['GITHUB_EVENT_NAME']),
    runUrl: repository && runId ? `${server}/${repository}/actions/runs/${runId}` : undefined,
    workflow: given(env['GITHUB_WORKFLOW']),
    runNumber: Number(given(env['GITHUB_RUN_NUMBER']) ?? 0),
    runAttempt: Number(given(env['GITHUB_RUN_ATTEMPT']) ?? 1),
  }
}

/** The runner sets what it does not know to the empty text. */
function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
