/** What the demo was asked to do. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

export const help = `Usage: npm run demo [-- options]

Deploys a real Next.js app with Gapless, again and again under load, and shows what its visitors notice.
Without options everything happens on this machine (Linux), in temporary folders, and is removed at the end.

To see it on a server of your own, which needs Node.js and PM2:

  --host <name>              the server
  --username <name>          the SSH user
  --port <n>                 SSH port (22)
  --key-file <file>          private key without a passphrase (otherwise the agent at SSH_AUTH_SOCK)
  --known-hosts-file <file>  where the server's host key is listed (~/.ssh/known_hosts)
  --path <path>              folder for the app, which must not be there yet (apps/gapless-demo)
  --app-port <n>             port of 127.0.0.1 on the server that is free for the app (3900)
  --help

At the end the demo removes from the server what it put there, and nothing else: the folder and the PM2 app.
`

export interface ServerOptions {
  readonly host: string
  readonly port: number
  readonly username: string
  /** Text of the private key. */
  readonly key: string | undefined
  readonly agentSocket: string | undefined
  readonly knownHosts: string
  readonly path: string
  readonly appPort: number
}

/** @returns the server to use, `local`, or `help` @throws an error that says which option is wrong */
export function readOptions(args: readonly string[]): ServerOptions | 'local' | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      host: { type: 'string' },
      username: { type: 'string' },
      port: { type: 'string', default: '22' },
      'key-file': { type: 'string' },
      'known-hosts-file': { type: 'string', default: join(homedir(), '.ssh', 'known_hosts') },
      path: { type: 'string', default: 'apps/gapless-demo' },
      'app-port': { type: 'string', default: '3900' },
      help: { type: 'boolean', default: false },
    },
  })
  const { host, username, path } = values
  if (values.help) return 'help'
  if (host === undefined) {
    const alone = args.find((argument) => argument.startsWith('--'))
    if (alone !== undefined) throw new Error(`${alone} needs --host as well`)
    return 'local'
  }
  if (username === undefined) throw new Error('--host needs --username as well')
  // The folder is removed at the end: nothing that could be more than one folder, or a home.
  if (!/^\/?(?:[\w-][\w.-]*\/)+[\w-][\w.-]*$/.test(path))
    throw new Error(`--path is ${path}, and must be at least two plain folder names, such as apps/demo`)
  const keyFile = values['key-file']
  const agentSocket = process.env['SSH_AUTH_SOCK']
  if (keyFile === undefined && agentSocket === undefined)
    throw new Error('--key-file is missing, and there is no SSH agent at SSH_AUTH_SOCK')
  return {
    host,
    username,
    path,
    port: portOf('--port', values.port),
    appPort: portOf('--app-port', values['app-port']),
    key: keyFile === undefined ? undefined : readFileSync(keyFile, 'utf8'),
    agentSocket,
    knownHosts: readFileSync(values['known-hosts-file'], 'utf8'),
  }
}

function portOf(option: string, text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port
  throw new Error(`${option} is ${text}, and must be a port, 1 to 65535`)
}
