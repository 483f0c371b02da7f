/** Runs the bundled action as a GitHub runner does: Node 24, INPUT_* variables, files for what it says. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { nodeBinary } from '../../scripts/node-version.mjs'

export interface RunResult {
  readonly code: number | null
  /** Standard output and error, as the job's log has them. */
  readonly log: string
  /** What the runner was told to mask; those lines are not in the log. */
  readonly masked: readonly string[]
  readonly outputs: Readonly<Record<string, string>>
  readonly state: Readonly<Record<string, string>>
  readonly summary: string
}

export interface RunOptions {
  readonly inputs: Readonly<Record<string, string>>
  readonly workspace: string
  readonly env?: Readonly<Record<string, string>>
  readonly step?: 'main' | 'post'
  /** The runner's Node.js: GitHub's, 24, unless said otherwise. */
  readonly node?: string
  /** What main saved, which the runner gives to post. */
  readonly state?: Readonly<Record<string, string>>
  /** Called with the action's process, to send it signals. */
  readonly onStart?: (child: ChildProcess) => void
  /** Called with each line of the log as it comes. */
  readonly onLine?: (line: string) => void
}

/** Inputs for a workspace that is built already. */
export const prebuilt = { 'install-command': 'none', 'build-command': 'none' }
/** Inputs for deploys that need not show how they treat real visitors. */
export const quick = {
  ...prebuilt,
  observe: '200ms',
  'drain-timeout': '2s',
  'health-check-path': '/api/health',
}

const root = join(import.meta.dirname, '..', '..')
/** How this machine reaches the npm registry, and where temporary files go, as a runner's jobs inherit it. */
const MACHINE =
  /^(npm_config_(cache|registry)|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(https?|no)_proxy|TMPDIR)$/i
const machine = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => MACHINE.test(name)))

export async function runAction({
  inputs,
  workspace,
  env = {},
  step = 'main',
  node = '24',
  state = {},
  onStart,
  onLine,
}: RunOptions): Promise<RunResult> {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-runner-'))
  const file = (name: string) => {
    writeFileSync(join(folder, name), '')
    return join(folder, name)
  }
  const files = { output: file('output'), state: file('state'), summary: file('summary') }
  const child = spawn(nodeBinary(node), [join(root, 'dist', `${step}.cjs`)], {
    cwd: workspace,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      ...machine(),
      // npm on Node.js 22 and later keeps its compiled code in the temporary folder.
      NODE_DISABLE_COMPILE_CACHE: '1',
      CI: 'true',
      GITHUB_ACTIONS: 'true',
      GITHUB_WORKSPACE: workspace,
      GITHUB_REPOSITORY: 'acme/site',
      GITHUB_SHA: '0123456789abcdef0123456789abcdef01234567',
      GITHUB_REF: 'refs/heads/main',
      GITHUB_ACTOR: 'tester',
      GITHUB_SERVER_URL: 'https://github.example',
      GITHUB_RUN_ID: '42',
      GITHUB_OUTPUT: files.output,
      GITHUB_STATE: files.state,
      GITHUB_STEP_SUMMARY: files.summary,
      ...Object.fromEntries(
        Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
      ),
      ...Object.fromEntries(Object.entries(state).map(([name, value]) => [`STATE_${name}`, value])),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onStart?.(child)
  if (onLine) createInterface({ input: child.stdout }).on('line', onLine)
  let log = ''
  child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString('utf8')))
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString('utf8')))
  const code = await new Promise<number | null>((resolve) => child.once('close', (status) => resolve(status)))
  try {
    return {
      code,
      log: log.replace(/^::add-mask::.*\n/gm, ''),
      masked: [...log.matchAll(/^::add-mask::(.*)$/gm)].map(([, value = '']) =>
        value.replaceAll('%0A', '\n'),
      ),
      outputs: parseFileCommands(readFileSync(files.output, 'utf8')),
      state: parseFileCommands(readFileSync(files.state, 'utf8')),
      summary: readFileSync(files.summary, 'utf8'),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** `name<<delimiter`, lines, `delimiter`: what a runner reads from GITHUB_OUTPUT. */
function parseFileCommands(text: string): Readonly<Record<string, string>> {
  const found = [...text.matchAll(/^(.+?)<<(.+)\n([\s\S]*?)\n?\2\n/gm)]
  return Object.fromEntries(found.map(([, name = '', , value = '']) => [name, value]))
}
