/**
 * Variables of `env` that act only on a process that starts. PM2 starts the workers with its daemon's environment, and
 * the launcher sets `env` afterwards: late enough for these to do nothing (Node 18 to 24, each by experiment).
 * UV_THREADPOOL_SIZE, NODE_EXTRA_CA_CERTS, NODE_PATH and NODE_COMPILE_CACHE would be among them, but for what
 * worker/late-variables.ts and PM2's options do.
 */

const FLAGS: ReadonlyMap<string, string> = new Map([
  ['NODE_PENDING_DEPRECATION', '--pending-deprecation'],
  ['NODE_NO_WARNINGS', '--no-warnings'],
  ['NODE_REDIRECT_WARNINGS', '--redirect-warnings'],
  ['NODE_ICU_DATA', '--icu-data-dir'],
  ['NODE_USE_SYSTEM_CA', '--use-system-ca'],
  ['OPENSSL_CONF', '--openssl-config'],
])

/** Node takes no flag for these, or is not who reads them. */
const DAEMONS =
  /^(?:LD_\w+|MALLOC_\w+|GLIBC_TUNABLES|UV_USE_IO_URING|NODE_DEBUG|NODE_DEBUG_NATIVE|NODE_V8_COVERAGE|NODE_USE_ENV_PROXY)$/
const LOCALE: ReadonlySet<string> = new Set(['LC_ALL', 'LC_MESSAGES', 'LANG'])

interface Given {
  readonly env: Readonly<Record<string, string>>
  readonly nodeOptions: readonly string[]
}

export function earlyVariables({ env, nodeOptions }: Given): readonly string[] {
  const flags = new Set(nodeOptions.map((word) => word.replace(/=.*/s, '').replaceAll('_', '-')))
  return Object.keys(env).flatMap((name) => {
    const flag = FLAGS.get(name)
    if (name === 'NODE_OPTIONS') return `${sets(name)} Use the input \`node-options\`.`
    if (flag !== undefined)
      return flags.has(flag) ? [] : `${sets(name)} Add \`${flag}\` to the input \`node-options\`.`
    if (DAEMONS.test(name)) return `${sets(name)} ${daemon}`
    if (LOCALE.has(name)) return `${sets(name, 'the default language of `Intl` in the workers')} ${daemon}`
    return []
  })
}

const daemon =
  'Set it in the environment of the PM2 daemon: see "Variables that must be set before Node starts" in docs/projects.md.'

function sets(name: string, what = 'the workers themselves'): string {
  return `Input \`env\` sets ${name}, which comes too late for ${what}.`
}
