/**
 * The one command that is run over SSH: a shell line that finds Node, and a few lines of JavaScript that load
 * the agent, after asking for it where the server does not have this version yet.
 *
 * The login shell of the user may be bash, fish, tcsh or any other: all that it sees is one single-quoted word
 * without quotes, backslash pairs, exclamation marks or line breaks. Chatty rc files print first, so nothing is
 * parsed before the sentinel.
 */
import { createHash } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import type { AgentOptions } from '../agent/operations.ts'

export interface Bootstrap {
  /** Random text that tells the agent's output from what the login shell printed before. */
  readonly sentinel: string
  /** The agent's code. */
  readonly source: Buffer
  /** Keep the agent on the server; false for runs that change nothing there. */
  readonly persist: boolean
  /** The app's folder, absolute or relative to the user's home. */
  readonly path: string
  readonly options: Pick<AgentOptions, 'appName' | 'binPath'>
}

/** What the server says after the sentinel. */
export const greeting = { ready: 'ready', needAgent: 'need-agent', noNode: 'no-node' } as const

export function bootstrapCommand({ sentinel, source, persist, path, options }: Bootstrap): string {
  const hash = createHash('sha256').update(source).digest('hex')
  const settings = JSON.stringify({ sentinel, hash, size: source.length, persist, path, options })
  const code = deflateRawSync(`(${loadAgent.toString()})(${settings},require,module)`).toString('base64')
  return `/bin/sh -c '${findNode(sentinel, options.binPath, code)}'`
}

/** The oldest Node that the agent and the launcher run on. */
const OLDEST_NODE = 18

/** Folders below the home where version managers keep Node. */
const NODE_FOLDERS = [
  '.nvm/versions/node/*/bin',
  '.local/share/fnm/node-versions/*/installation/bin',
  '.fnm/node-versions/*/installation/bin',
  '.volta/tools/image/node/*/bin',
  '.asdf/installs/nodejs/*/bin',
  '.local/share/mise/installs/node/*/bin',
  'n/bin',
  '.local/bin',
]
const SYSTEM_FOLDERS = ['/usr/local/bin', '/usr/bin', '/opt/node/bin', '/opt/homebrew/bin', '/snap/bin']

/** Tries, in order: what the user named, the running PM2 daemon's own Node, the PATH, the usual places. */
function findNode(sentinel: string, binPath: readonly string[], code: string): string {
  const run = `"$1" -e "eval(require(/zlib/.source).inflateRawSync(Buffer.from(process.argv[1],/base64/.source)).toString())" ${code}`
  const fits = `"$1" -e "process.exit(parseInt(process.versions.node)>=${OLDEST_NODE}?0:1)" 2>/dev/null`
  const tries = [
    ...binPath.map((folder) => `${shellWord(folder)}/node`),
    '"$(readlink "/proc/$(cat "${PM2_HOME:-$HOME/.pm2}/pm2.pid" 2>/dev/null)/exe" 2>/dev/null)"',
    '"$(command -v node 2>/dev/null)"',
    ...NODE_FOLDERS.map((folder) => `"$HOME"/${folder}/node`),
    ...SYSTEM_FOLDERS.map((folder) => `${folder}/node`),
  ]
  return [
    `t() { if [ -n "$1" ] && [ -x "$1" ]; then if ${fits}; then exec ${run}; fi; s="$s:$1 (too old)"; else s="$s:$1"; fi; }`,
    `s=""; for n in ${tries.join(' ')}; do t "$n"; done`,
    `echo; echo "${sentinel} ${greeting.noNode} $s"; exit 1`,
  ].join('; ')
}

/** Any path as a shell word without a quote of its own: each byte in octal, which `printf` turns back. */
function shellWord(path: string): string {
  const inHome = path.startsWith('~/')
  const octal = [...Buffer.from(inHome ? path.slice(1) : path)].map(
    (byte) => `\\${byte.toString(8).padStart(3, '0')}`,
  )
  return `${inHome ? '"$HOME"' : ''}"$(printf "${octal.join('')}")"`
}

/** What Node's own loader has and its types do not tell. */
type CompilingModule = NodeModule & { _compile(code: string, name: string): void }

interface Settings {
  readonly sentinel: string
  readonly hash: string
  readonly size: number
  readonly persist: boolean
  readonly path: string
  readonly options: Pick<AgentOptions, 'appName' | 'binPath'>
}

/**
 * Runs on the server, as text: it may use nothing from this file. Loads the agent from `<path>/.gapless/agent`
 * if it is there with the right hash, or from standard input, before the session's own messages.
 */
async function loadAgent(settings: Settings, require: NodeJS.Require, module: NodeModule): Promise<void> {
  const fs = require('node:fs') as typeof import('node:fs')
  const { homedir } = require('node:os') as typeof import('node:os')
  const { dirname, join, resolve } = require('node:path') as typeof import('node:path')
  const { createHash: newHash } = require('node:crypto') as typeof import('node:crypto')
  const { sentinel, hash, size, persist, path, options } = settings

  const base = resolve(homedir(), path)
  const file = join(base, '.gapless', 'agent', `${hash}.cjs`)
  const proven = (code: Buffer) => newHash('sha256').update(code).digest('hex') === hash
  let source: Buffer | undefined
  let kept = true
  try {
    source = fs.readFileSync(file)
    if (!proven(source)) source = undefined
  } catch {
    // Not there yet.
  }
  process.stdout.write(`\n${sentinel} ${source === undefined ? 'need-agent' : 'ready'}\n`)

  const input = process.stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let rest: Buffer = Buffer.alloc(0)
  if (source === undefined) {
    while (rest.length < size) {
      const { done, value } = await input.next()
      if (done === true) process.exit(1)
      rest = Buffer.concat([rest, value])
    }
    source = rest.subarray(0, size)
    rest = rest.subarray(size)
    if (!proven(source)) throw new Error('the agent arrived damaged')
    kept = false
    if (persist) {
      try {
        fs.mkdirSync(join(base, '.gapless'), { recursive: true, mode: 0o700 })
        fs.mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
        fs.writeFileSync(`${file}.${process.pid}`, source, { mode: 0o600, flush: true })
        fs.renameSync(`${file}.${process.pid}`, file)
        kept = true
      } catch {
        // The agent says what is wrong with the folder, in words, as soon as it is asked.
      }
    }
  }

  const messages = async function* () {
    if (rest.length > 0) yield rest
    for (;;) {
      const { done, value } = await input.next()
      if (done === true) return
      yield value
    }
  }
  const loaded = new (module.constructor as new (name: string) => CompilingModule)(file)
  loaded.filename = file
  loaded._compile(source.toString('utf8'), file)
  const { serve } = loaded.exports as { serve: (options: object, input: AsyncIterable<Buffer>) => void }
  serve({ ...options, base, agentFile: kept ? file : '' }, messages())
}
