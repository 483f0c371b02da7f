/**
 * Runs a script of a POSIX shell on the server, before there is a Node. The login shell sees one short word, and may
 * be any shell: the script itself comes over standard input, and what it reports has a mark of its own.
 */
import { randomBytes } from 'node:crypto'
import { failure } from '../common/errors/connect.ts'
import { Failure } from '../common/failure.ts'
import { formatLimit } from '../common/format.ts'
import { withTimeout } from '../common/timeout.ts'
import { drainedOrClosed, type Remote } from './agent-session.ts'

export interface ScriptOptions {
  /** Follows the script: its commands read it from standard input. */
  readonly body?: AsyncIterable<Buffer>
  /** Limit in ms for the whole script. */
  readonly timeoutMs: number
}

export interface ScriptResult {
  /** What `say key value` said, in order. */
  readonly said: readonly (readonly [key: string, value: string])[]
  readonly code: number | null
  /** The end of what it printed on standard error. */
  readonly errors: string
}

/** In characters. */
const LONGEST = 1024 * 1024

/** @throws Failure `connection-lost`, `exec-refused` or `no-shell` */
export async function runScript(
  remote: Remote,
  script: string,
  { body, timeoutMs }: ScriptOptions,
): Promise<ScriptResult> {
  const mark = `gapless-${randomBytes(12).toString('hex')}`
  // In a function: a script that arrives incomplete is a syntax error, and does nothing.
  const text = Buffer.from(
    `S=${mark}; say() { printf "%s %s %s\\n" "$S" "$1" "$2"; }\nmain() {\n${script}\n}\nmain\n`,
  )
  const late = () => failure('no-shell: start', { limit: formatLimit(timeoutMs) })
  // One byte at a time: whatever reads more would take the body's beginning.
  const command = `/bin/sh -c 'eval "$(dd bs=1 count=${text.length} 2>/dev/null)"'`
  const channel = await withTimeout(remote.exec(command), timeoutMs, late)
  let [output, errors] = ['', '']
  channel.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString('utf8')).slice(-4000)))
  channel.on('data', (chunk: Buffer) => (output = (output + chunk.toString('utf8')).slice(-LONGEST)))
  const ended = new Promise<void>((resolve, reject) => {
    channel.once('close', () => resolve())
    channel.once('error', reject)
  })
  ended.catch(() => undefined)
  const send = async () => {
    channel.write(text)
    for await (const chunk of body ?? []) {
      if (channel.destroyed || channel.writableEnded) break
      if (!channel.write(chunk)) await drainedOrClosed(channel)
    }
    channel.end()
    await ended
  }
  try {
    await withTimeout(send(), timeoutMs, late)
  } catch (error) {
    channel.destroy()
    throw Failure.from(error)
  }
  const code = (await channel.exit?.catch(() => undefined))?.code ?? null
  const said = output.split('\n').flatMap((line) => {
    const [, key, value] = new RegExp(`^${mark} (\\S+) (.*)$`).exec(line) ?? []
    return key === undefined ? [] : [[key, value ?? ''] as const]
  })
  return { said, code, errors: errors.trim() }
}
