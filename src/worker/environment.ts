/**
 * The app's environment: the system's own few variables, what PM2 and the cluster need, and the release's.
 *
 * A PM2 daemon hands every worker the environment of whoever started it first, and `--update-env` that of the
 * SSH session (PM2 5 to 7). Starting from a list of what may stay keeps both out of the app, and makes the
 * candidate and the worker see the same.
 */
import type { Runtime } from '../protocol/messages.ts'

const SYSTEM = 'HOME USER LOGNAME SHELL PATH LANG LANGUAGE TZ TMPDIR XDG_RUNTIME_DIR'
/** Trust stores that an administrator gave to all programs. */
const TRUST = 'SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS'
/** The cluster's channel to the PM2 daemon, and what PM2 tells a worker about itself. */
const PM2 = 'NODE_CHANNEL_FD NODE_CHANNEL_SERIALIZATION_MODE NODE_UNIQUE_ID NODE_APP_INSTANCE PM2_HOME pm_id'
/** The threads are there before the launcher is (PM2 5 to 7 open the log files first), so it says how many there are. */
const THREADS = 'UV_THREADPOOL_SIZE'
const KEPT = new Set(`${SYSTEM} ${TRUST} ${PM2} ${THREADS}`.split(' '))

/** Turns `env` (in place: it is the process's own) into the app's environment. */
export function applyEnvironment(env: NodeJS.ProcessEnv, runtime: Runtime): void {
  for (const name of Object.keys(env)) {
    if (!KEPT.has(name) && !name.startsWith('LC_')) delete env[name]
  }
  Object.assign(env, { NODE_ENV: 'production' }, runtime.env)
  // Where the door listens is not what Next.js is told: with HOSTNAME=127.0.0.1 it takes the paths that middleware
  // rewrites for those of another host, and answers 500 behind a proxy that speaks TLS (14.2, 15.5, 16.4).
  env['PORT'] = String(runtime.port)
}
