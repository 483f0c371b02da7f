/**
 * The one command that is run over SSH: a shell line that finds Node, and a few lines of JavaScript that load
 * the agent, after asking for it where the server does not have this version yet.
 *
 * The login shell of the user may be bash, fish, tcsh or any other: all that it sees is one single-quoted word
 * without quotes, backslash pairs, exclamation marks or line breaks. Chatty rc files print first, so nothing is
 * parsed before the sentinel.
 */
import { createHash } from 'node:crypto'
import { brotliCompressSync } from 'node:zlib'
import type { AgentOptions } from '../agent/operations/index.ts'
import {
  homeFolders,
  LOGIN_PATH,
  LOGIN_SHELL_TIMEOUT,
  systemFolders,
  systemVersionFolders,
  versionFolders,
} from '../protocol/server-programs.ts'

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
  const program = `(${squeezed(loadAgent.toString())})(${settings},require,module)`
  const code = brotliCompressSync(program).toString('base64')
  return `/bin/sh -c '${findNode(sentinel, options.binPath, code)}'`
}

/** Without indentation and the comments that have lines of their own: it goes over the wire each time. */
function squeezed(code: string): string {
  return code.replace(/^\s*(\/\/.*)?\n?/gm, '')
}

/** The oldest Node that the agent and the launcher run on. */
const OLDEST_NODE = 18

/** V8 lets its young generation, which is garbage, grow to 100 MB on a machine with much memory (Node 18 to 24). */
const LEAN = '--max-semi-space-size=2'

/**
 * Tries, in order: what the user named, the running PM2 daemon's own Node, the PATH, the PATH of the user's login
 * shell, the usual places, of several versions the newest first. `t` becomes the first that fits, or remembers what was wrong with it.
 */
function findNode(sentinel: string, binPath: readonly string[], code: string): string {
  const run = `"$1" ${LEAN} -e "eval(require(/zlib/.source).brotliDecompressSync(Buffer.from(process.argv[1],/base64/.source)).toString())" ${code}`
  const single = [
    ...binPath.map((folder) => `${shellWord(folder)}/node`),
    '"$d"',
    '"$(command -v node 2>/dev/null)"',
  ]
  const inHome = homeFolders.map((folder) => `"$HOME"/${folder}/node`)
  const mark = `${sentinel}-path`
  const versions = [...versionFolders.map((folder) => `"$HOME"/${folder}`), ...systemVersionFolders]
  return [
    't() { if [ -n "$1" ] && [ -x "$1" ]; then v="$("$1" -p process.versions.node 2>/dev/null </dev/null)"; ' +
      `if [ "\${v%%.*}" -ge ${OLDEST_NODE} ] 2>/dev/null; then exec ${run}; fi; ` +
      's="$s:$1 (${v:-does not run}${v:+ is too old})"; elif [ -n "$1" ]; then s="$s:$1"; fi; }',
    // The last of a glob is the newest, nearly: 9 comes after 22, and is too old.
    'r() { i=$#; while [ $i -gt 0 ]; do eval "n=\\${$i}"; t "$n"; i=$((i-1)); done; }',
    // After a reboot the number in the file may be that of any program, which had better not be run.
    'd="$(readlink "/proc/$(cat "${PM2_HOME:-$HOME/.pm2}/pm2.pid" 2>/dev/null)/exe" 2>/dev/null)"',
    'case "$d" in */node*) ;; *) d="" ;; esac',
    `s=""; for n in ${single.join(' ')}; do t "$n"; done`,
    // The files that a login shell reads may print anything, and may not end.
    `${LOGIN_PATH}="$(timeout -s KILL ${LOGIN_SHELL_TIMEOUT} "$SHELL" -lic "echo; echo ${mark}; exec printenv PATH" ` +
      `2>/dev/null </dev/null | sed -n "/^${mark}$/{n;p;q;}")"; export ${LOGIN_PATH}`,
    `o="$IFS"; IFS=:; set -f; for n in $${LOGIN_PATH}; do t "$n/node"; done; set +f; IFS="$o"`,
    `for n in ${inHome.join(' ')}; do t "$n"; done`,
    ...versions.map((folder) => `r ${folder}/node`),
    `for n in ${systemFolders.map((folder) => `${folder}/node`).join(' ')}; do t "$n"; done`,
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
    // Cleanup removes agents that no session has used for long.
    else if (persist) fs.utimesSync(file, new Date(), new Date())
  } catch {
    // Not there yet, or another user's.
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
        // The app's folder is for others to read, such as nginx, whatever the umask; the tool's own is not.
        for (let folder = base, made: string[] = []; ; folder = dirname(folder)) {
          if (!fs.existsSync(folder)) {
            made = [folder, ...made]
            continue
          }
          for (const each of made) {
            fs.mkdirSync(each)
            fs.chmodSync(each, 0o755)
          }
          break
        }
        fs.mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
        // Never through a link or into a file that somebody else put there.
        fs.writeFileSync(`${file}.${process.pid}`, source, { mode: 0o600, flush: true, flag: 'wx' })
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
