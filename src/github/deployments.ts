/** Deployments of one environment on GitHub: created, brought to a state, and set inactive. */
import type { Api } from './api.ts'

export interface Environment {
  readonly name: string
  /** A preview: the environment goes away one day. */
  readonly isTransient: boolean
  /** PM2's name of the app. */
  readonly app: string
  /** The app's public address. */
  readonly url: string | null
  /** The run's page; '' outside of GitHub. */
  readonly logUrl: string
}

export type State = 'in_progress' | 'success' | 'failure' | 'inactive'

/** GitHub refuses a longer one. In characters. */
const LONGEST_DESCRIPTION = 140
/** How many earlier deployments are looked at. */
const MOST = 10

/** @param task `deploy` or `rollback` @returns its id */
export async function create(
  api: Api,
  { name, isTransient, app }: Environment,
  commit: string,
  task: string,
): Promise<number> {
  const created = await api.request('POST', '/deployments', {
    ref: commit,
    environment: name,
    task,
    description: app,
    // Whoever deploys has decided already: no merge of the default branch, no wait for checks.
    auto_merge: false,
    required_contexts: [],
    transient_environment: isTransient,
    production_environment: name === 'production',
    payload: { app },
  })
  const { id } = (created ?? {}) as { readonly id?: unknown }
  if (typeof id !== 'number') throw new Error('GitHub created no deployment')
  return id
}

export async function setState(
  api: Api,
  { url, logUrl }: Environment,
  id: number,
  state: State,
  description = '',
): Promise<void> {
  await api.request('POST', `/deployments/${id}/statuses`, {
    state,
    description: description.slice(0, LONGEST_DESCRIPTION),
    ...(url === null ? {} : { environment_url: url }),
    ...(logUrl === '' ? {} : { log_url: logUrl }),
    ...(state === 'success' ? { auto_inactive: true } : {}),
  })
}

/**
 * Sets earlier deployments of the app inactive. GitHub's own `auto_inactive` leaves out those of production and of
 * transient environments.
 * @param except the one that is live now; null: none is
 */
export async function retire(api: Api, environment: Environment, except: number | null): Promise<void> {
  const query = `environment=${encodeURIComponent(environment.name)}&per_page=${MOST * 2}`
  const listed = await api.request('GET', `/deployments?${query}`)
  const earlier = (Array.isArray(listed) ? (listed as readonly Listed[]) : [])
    .filter(({ id, payload }) => id !== except && isOf(payload, environment.app))
    .slice(0, MOST)
  for (const { id } of earlier) {
    const statuses = await api.request('GET', `/deployments/${id}/statuses?per_page=1`)
    const state = (statuses as readonly { readonly state?: string }[] | null)?.[0]?.state
    // All before it were set inactive with it.
    if (state === 'inactive') return
    if (state !== 'failure' && state !== 'error') await setState(api, environment, id, 'inactive')
  }
}

interface Listed {
  readonly id: number
  readonly payload?: unknown
}

/** One environment may have several apps of the repository. Those of other tools are replaced, too. */
function isOf(payload: unknown, app: string): boolean {
  const { app: named = app } = (typeof payload === 'object' && payload !== null ? payload : {}) as {
    app?: unknown
  }
  return named === app
}
