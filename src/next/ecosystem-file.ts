/** PM2's ecosystem files, read without executing them. */
import { dirname, extname, join } from 'node:path'
import { withoutComments } from './comments.ts'
import { isDirectory, readTextIfAny } from './files.ts'
import { asObject, parseJson } from './package-json.ts'

export const ECOSYSTEM_FILES = [
  'ecosystem.config.js',
  'ecosystem.config.cjs',
  'ecosystem.config.mjs',
  'ecosystem.json',
]

export interface Started {
  readonly command: string
  readonly directory: string
}

/** Larger files are not read. In characters. */
const LONGEST = 100_000

/** Returns the commands that it starts; undefined where there is no such file, empty where its scripts are computed. */
export function readEcosystem(file: string): readonly Started[] | undefined {
  const text = readTextIfAny(file)?.slice(0, LONGEST)
  if (text === undefined) return undefined
  const apps = extname(file) === '.json' ? appsInJson(text) : appsInText(text)
  return apps.map(({ script, args, cwd }) => {
    const folder = cwd === undefined ? undefined : join(dirname(file), cwd)
    return {
      command: args === undefined ? script : `${script} ${args}`,
      directory: folder !== undefined && isDirectory(folder) ? folder : dirname(file),
    }
  })
}

interface App {
  readonly script: string
  readonly args: string | undefined
  readonly cwd: string | undefined
}

function appsInJson(text: string): readonly App[] {
  const content = parseJson(text)
  const apps = asObject(content)?.apps ?? content
  return (Array.isArray(apps) ? apps : [apps]).flatMap((app: unknown) => {
    const { script, args, cwd } = asObject(app) ?? {}
    if (typeof script !== 'string') return []
    return [{ script, args: Array.isArray(args) ? args.join(' ') : textOf(args), cwd: textOf(cwd) }]
  })
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** JavaScript and YAML: an app ends where the next one starts. */
function appsInText(text: string): readonly App[] {
  const code = withoutComments(text).replace(/^[ \t]*#.*$/gm, '')
  return code.split(/\}\s*,\s*\{|^[ \t]*-[ \t](?=[ \t]*\w+:)/m).flatMap((app) => {
    const script = valueOf('script', app)
    return script === undefined ? [] : [{ script, args: valueOf('args', app), cwd: valueOf('cwd', app) }]
  })
}

function valueOf(key: string, app: string): string | undefined {
  const [, list, quote, quoted, plain] =
    new RegExp(
      `(?:^|[\\s{,"'])${key}["']?\\s*:\\s*(?:\\[([^\\]]{0,2000})\\]|(["'\`])([^"'\`\\n]{0,2000})\\2|([^\\s"'\`{\\[(,][^\\n,]{0,2000}))`,
    ).exec(app) ?? []
  if (list !== undefined) return list.replace(/["'`,]/g, ' ')
  if (quote !== undefined) return quoted
  // YAML needs no quotes; in JavaScript this is an expression.
  return plain !== undefined && /^[\w./@-]+(?: [\w./@ -]+)?$/.test(plain.trim()) ? plain.trim() : undefined
}
