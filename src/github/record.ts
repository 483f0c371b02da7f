/** GitHub's record of a run. GitHub being slow, down or refusing never fails a run: it is only told. */
import type { Inputs } from '../inputs/index.ts'
import type { Outcome } from '../outcome.ts'
import type { Log } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { type Api, createApi } from './api.ts'
import { writeComment } from './comment.ts'
import { create, type Environment, retire, setState } from './deployments.ts'

export interface Words {
  /** What happened, in one sentence. */
  readonly description: string
  /** The comment on the pull request of a preview. */
  readonly comment: string
}

export interface GithubRecord {
  /** Resolves when the run is recorded, or the time for it is over. @returns what went wrong; '' if nothing did */
  end(outcome: Outcome, words: Words): Promise<string>
}

export interface RecordOptions {
  readonly log: Pick<Log, 'warning'>
  /** The deployment that the main step began; null: it began none. Undefined in the main step. */
  readonly begun?: number | null
  /** Told of the deployment, for a step that ends it after a cancelled job. */
  readonly onBegun?: (id: number) => void
}

/** For the beginning and the end each, in ms. */
const LIMIT = 30_000

type Command = Inputs['command']

/** They build the commit of the run. Whatever else activates a release has the commit that the release was built from. */
const BUILDS: ReadonlySet<Command> = new Set(['deploy', 'preview'])
const ACTIVATES: ReadonlySet<Command> = new Set([...BUILDS, 'rollback', 'promote'])

/** Begins to record a deploy at once, and does not wait for it. Null where nothing is to be recorded. */
export function openRecord({ inputs, appName }: Plan, options: RecordOptions): GithubRecord | null {
  const { command, 'dry-run': dryRun, 'github-token': token, repository, run, preview } = inputs
  if (token === null || repository === null || dryRun) return null
  if (!ACTIVATES.has(command) && command !== 'preview-remove') return null
  const { log, begun, onBegun = () => undefined } = options
  const environment: Environment = {
    name: inputs.environment ?? (preview === null ? 'production' : `preview/${preview}`),
    isTransient: preview !== null,
    app: appName,
    url: inputs.publicUrl,
    logUrl: run.runUrl,
  }
  const api = () => createApi({ url: inputs.apiUrl, token, repository, limitMs: LIMIT })
  const problems: string[] = []
  const attempt = async <T>(what: string, act: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await act()
    } catch (error) {
      const problem = `${what}: ${(error as Error).message}.`
      problems.push(problem)
      log.warning(problem)
      return undefined
    }
  }
  const begin = async (client: Api, commit: string) => {
    if (commit === '') return undefined
    const id = await attempt('Could not record the deployment on GitHub', () =>
      create(client, environment, commit, command === 'rollback' ? 'rollback' : 'deploy'),
    )
    if (id === undefined) return undefined
    onBegun(id)
    await attempt(COULD_NOT_UPDATE, () => setState(client, environment, id, 'in_progress'))
    return id
  }
  const beginning =
    begun === undefined && BUILDS.has(command)
      ? begin(api(), run.commit)
      : Promise.resolve(begun ?? undefined)

  return {
    async end(outcome, { description, comment }) {
      const started = await beginning
      const client = api()
      if (command === 'preview-remove') {
        if (outcome.status === 'removed')
          await attempt(COULD_NOT_UPDATE, () => retire(client, environment, null))
      } else {
        const commit = outcome.infos.find((info) => info.id === outcome.release)?.commit ?? ''
        const id = BUILDS.has(command) ? started : (started ?? (await begin(client, commit)))
        const isLive = outcome.status === 'live' && outcome.succeeded
        if (id !== undefined) {
          await attempt(COULD_NOT_UPDATE, () =>
            setState(client, environment, id, isLive ? 'success' : 'failure', description),
          )
          if (isLive) await attempt(COULD_NOT_UPDATE, () => retire(client, environment, id))
        }
      }
      const { pullRequest } = inputs
      if (preview !== null && pullRequest !== null) {
        await attempt('Could not comment on the pull request', () =>
          writeComment(client, pullRequest, appName, comment),
        )
      }
      return [...new Set(problems)].join(' ')
    },
  }
}

const COULD_NOT_UPDATE = 'Could not update the deployment on GitHub'
