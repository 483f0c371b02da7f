import type { AppSettings } from './app.ts'
import type { Login, Proxy } from './server.ts'

interface Secretive {
  readonly login: Login
  readonly proxy: Proxy | undefined
  readonly app: AppSettings
}

/**
 * Every value to mask in the log. The runner masks `secrets.*` by itself, but not what a workflow composed
 * from them or fetched from a vault, nor the single lines of a key.
 *
 * Of `env`, any value may be a secret, so all are masked but those that plainly are none. Masking these would
 * hide no secret and turn every `true`, `3000` or `production` of the log into `***`.
 */
export function secretsOf({ login, proxy, app }: Secretive): readonly string[] {
  const credentials = [login, proxy?.login].flatMap((each) => [each?.key, each?.passphrase, each?.password])
  const environment = Object.entries(app.env)
    .filter(([key, value]) => maySecret(key, value))
    .map(([, value]) => value)
  const texts = [...credentials, ...environment]
    .filter((text) => text !== undefined)
    .filter((text) => text.trim() !== '')
  return [...new Set(texts.flatMap((text) => [text, ...partsOf(text), ...urlPassword(text)]))]
}

const harmless =
  /^(?:true|false|yes|no|none|null|auto|on|off|(?:[a-z]+:\/\/)?localhost|production|development|staging|preview|test|debug|info|warn|error|[\d.]{1,7})$/i

function maySecret(key: string, value: string): boolean {
  // Next.js puts NEXT_PUBLIC_ values into the browser's bundle: public by definition.
  return value.trim().length >= 4 && !harmless.test(value.trim()) && !key.startsWith('NEXT_PUBLIC_')
}

/**
 * The lines of a multi-line secret (a key's may be joined by a literal `\n`), as a log shows them one by one, or the
 * only line without the spaces around it.
 */
function partsOf(text: string): readonly string[] {
  const lines = text.split(/\r\n|\n|\r|\\n/).map((line) => line.trim())
  return lines.filter((line) => line.length >= 4 && !/^-----(?:BEGIN|END) /.test(line))
}

/** The password in the URL of a database, as it stands there and as it is: a client may complain of it alone. */
function urlPassword(text: string): readonly string[] {
  const [, password = ''] = /^\s*[a-z][a-z0-9+.-]*:\/\/[^\s/?#:@]*:([^\s/?#]+)@/i.exec(text) ?? []
  return [password, decoded(password)].filter((form) => form.length >= 4 && !harmless.test(form))
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
