/**
 * The one command that runs over SSH: a shell line that finds Node, and JavaScript that loads the agent, and requests
 * it where the server lacks this version.
 *
 * All that the login shell, bash, fish or any other, sees is one single-quoted word without quotes, backslash pairs,
 * exclamation marks or line breaks. Startup files may print first: nothing is parsed before the sentinel.
 */
import { createHash } from 'node:crypto'
import { brotliCompressSync } from 'node:zlib'
import type { AgentOptions } from '../agent/operations/index.ts'
import {
  FITTING_NODE,
  homeFolders,
  LOGIN_PATH,
  LOGIN_SHELL_TIMEOUT,
  OLDEST_NODE,
  runtimeFolder,
  systemFolders,
  systemVersionFolders,
  versionFolders,
} from '../protocol/server-programs.ts'

export interface Bootstrap {
  /** Random text that separates the agent's output from what the login shell printed before. */
  readonly sentinel: string
  readonly source: Buffer
  /** Keep the agent on the server; false for runs that change nothing there. */
  readonly persist: boolean
  /** The app's folder, absolute or relative to the user's home. */
  readonly path: string
  readonly options: Pick<AgentOptions, 'appName' | 'binPath' | 'preview'>
}

/** The words that follow the sentinel. */
export const greeting = { ready: 'ready', needAgent: 'need-agent', noNode: 'no-node' } as const

export function bootstrapCommand({ sentinel, source, persist, path, options }: Bootstrap): string {
  const hash = createHash('sha256').update(source).digest('hex')
  const settings = JSON.stringify({ sentinel, hash, size: source.length, persist, path, options })
  const program = `(${squeezed(loadAgent.toString())})(${settings},require,module)`
  const code = brotliCompressSync(program).toString('base64')
  return `/bin/sh -c '${findNode(sentinel, options.binPath, code)}'`
}

/** Removes indentation and whole-line comments: the code is sent each time. */
function squeezed(code: string): string {
  return code.replace(/^\s*(\/\/.*)?\n?/gm, '')
}

/** V8 lets its young generation, which is garbage, grow to 100 MB on a machine with much memory (Node 18 to 24). */
const LEAN = '--max-semi-space-size=2'

/**
 * `t` runs the first Node that fits Next.js, or remembers what is wrong with it. One that only the agent runs on is the
 * choice where there is no better, unless it is meant: named, the daemon's, setup's, or the first of the PATH.
 */
function findNode(sentinel: string, binPath: readonly string[], code: string): string {
  const run = `"$1" ${LEAN} -e "eval(require(/zlib/.source).brotliDecompressSync(Buffer.from(process.argv[1],/base64/.source)).toString())" ${code}`
  const [major, minor] = FITTING_NODE
  return [
    `e() { exec ${run}; }`,
    't() { if [ -n "$1" ] && [ -x "$1" ]; then v="$("$1" -p process.versions.node 2>/dev/null </dev/null)"; m="${v#*.}"; ' +
      `if [ "\${v%%.*}" -ge ${OLDEST_NODE} ] 2>/dev/null; then ` +
      `if [ -n "$w" ] || [ "\${v%%.*}" -gt ${major} ] || { [ "\${v%%.*}" -eq ${major} ] && [ "\${m%%.*}" -ge ${minor} ]; }; then e "$1"; fi; ` +
      'f="${f:-$1}"; return; fi; ' +
      's="$s:$1 (${v:-does not run}${v:+ is too old})"; elif [ -n "$1" ]; then s="$s:$1"; fi; }',
    's=""',
    'f=""',
    ...tryEach(sentinel, binPath),
    '[ -z "$f" ] || e "$f"',
    `echo; echo "${sentinel} ${greeting.noNode} $s"; exit 1`,
  ].join('; ')
}

/**
 * Returns the shell lines that call `t` with every place of a Node, in order: what the user named, the PM2 daemon's,
 * what setup brought, the PATH (`w` is set so far), the login shell's PATH, the usual places, the newest of several.
 */
export function tryEach(sentinel: string, binPath: readonly string[]): readonly string[] {
  // The first of the PATH is meant: an app of Next.js 14 may run on Node.js 18 beside a newer one.
  const wanted = [
    ...binPath.map((folder) => `${shellWord(folder)}/node`),
    '"$d"',
    `"$HOME"/${runtimeFolder}/node`,
    '"$(command -v node 2>/dev/null)"',
  ]
  const inHome = homeFolders.map((folder) => `"$HOME"/${folder}/node`)
  const mark = `${sentinel}-path`
  const versions = [...versionFolders.map((folder) => `"$HOME"/${folder}`), ...systemVersionFolders]
  return [
    // The last match of a glob is almost the newest: 9 comes after 22, and is too old.
    'r() { i=$#; while [ $i -gt 0 ]; do eval "n=\\${$i}"; t "$n"; i=$((i-1)); done; }',
    // After a reboot the number in the file may belong to any program, which must not be run.
    'd="$(readlink "/proc/$(cat "${PM2_HOME:-$HOME/.pm2}/pm2.pid" 2>/dev/null)/exe" 2>/dev/null)"',
    'case "$d" in */node*) ;; *) d="" ;; esac',
    `w=1; for n in ${wanted.join(' ')}; do t "$n"; done; w=""`,
    // Startup files may print anything, and may never end.
    `${LOGIN_PATH}="$(timeout -s KILL ${LOGIN_SHELL_TIMEOUT} "$SHELL" -lic "echo; echo ${mark}; exec printenv PATH" ` +
      `2>/dev/null </dev/null | sed -n "/^${mark}$/{n;p;q;}")"; export ${LOGIN_PATH}`,
    `o="$IFS"; IFS=:; set -f; for n in $${LOGIN_PATH}; do t "$n/node"; done; set +f; IFS="$o"`,
    `for n in ${inHome.join(' ')}; do t "$n"; done`,
    ...versions.map((folder) => `r ${folder}/node`),
    `for n in ${systemFolders.map((folder) => `${folder}/node`).join(' ')}; do t "$n"; done`,
  ]
}

/** Returns any path as a shell word without a quote: each byte in octal, which `printf` decodes. */
export function shellWord(path: string): string {
  const inHome = path.startsWith('~/')
  const octal = [...Buffer.from(inHome ? path.slice(1) : path)].map(
    (byte) => `\\${byte.toString(8).padStart(3, '0')}`,
  )
  return `${inHome ? '"$HOME"' : ''}"$(printf "${octal.join('')}")"`
}

/** Part of Node's own loader that its types do not have. */
type CompilingModule = NodeModule & { _compile(code: string, name: string): void }

interface Settings extends Omit<Bootstrap, 'source'> {
  readonly hash: string
  readonly size: number
}

/**
 * Runs on the server, as text: it must not use anything from this file. Loads the agent from `<path>/.gapless/agent` if
 * it is there with the right hash, or from standard input, before the session's own messages.
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
  const read = (place: string): Buffer | undefined => {
    try {
      const code = fs.readFileSync(place)
      return proven(code) ? code : undefined
    } catch {
      // Does not exist yet, or belongs to another user.
      return undefined
    }
  }
  let source: Buffer | undefined = read(file)
  let kept = source !== undefined
  try {
    // Cleanup removes agents that no session has used for a week.
    if (kept && persist) fs.utimesSync(file, new Date(), new Date())
  } catch {
    // It belongs to another user.
  }
  // The app of a preview may have it.
  if (source === undefined && options.preview === true)
    source = read(join(base, '..', '..', '.gapless', 'agent', `${hash}.cjs`))
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
  }
  if (!kept && persist) {
    try {
      // Others, such as nginx, must be able to read the app's folder, whatever the umask; Gapless's own
      // folder is private.
      for (let folder = base, made: string[] = []; ; folder = dirname(folder)) {
        if (!fs.existsSync(folder)) {
          made = [folder, ...made]
          continue
        }
        for (const each of made) {
          // Another run may have made it meanwhile.
          if (fs.mkdirSync(each, { recursive: true }) !== undefined) fs.chmodSync(each, 0o755)
        }
        break
      }
      fs.mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
      // Never through a link or into a file that somebody else put there.
      fs.writeFileSync(`${file}.${process.pid}`, source, { mode: 0o600, flush: true, flag: 'wx' })
      fs.renameSync(`${file}.${process.pid}`, file)
      kept = true
    } catch {
      // The agent's first call reports what is wrong with the folder.
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
