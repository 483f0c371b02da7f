/** The headers that the app's configuration sets for a path: `headers()`, as routes-manifest.json has it. */
import type { IncomingMessage } from 'node:http'

interface Condition {
  readonly type: 'header' | 'cookie' | 'query' | 'host'
  readonly key?: string
  readonly value?: string
}

export interface HeaderRule {
  readonly source: string
  readonly regex: string
  readonly headers: readonly { readonly key: string; readonly value: string }[]
  readonly has?: readonly Condition[]
  readonly missing?: readonly Condition[]
}

/**
 * Lists the headers that Next.js itself would send with a file (14.2, 15.5, 16.4), in the order of the rules:
 * a later one replaces an earlier one. A value that repeats a part of the path is left out.
 */
export function configuredHeaders(
  rules: readonly HeaderRule[],
  request: Pick<IncomingMessage, 'url' | 'headers'>,
): readonly (readonly [name: string, value: string])[] {
  const [path = '', query = ''] = (request.url ?? '').split('?')
  try {
    return rules.flatMap((rule) => headersOf(rule, path, query, request))
  } catch {
    // A later Next.js may write its rules in another way.
    return []
  }
}

function headersOf(
  { source, regex, headers, has = [], missing = [] }: HeaderRule,
  path: string,
  query: string,
  request: Pick<IncomingMessage, 'headers'>,
): readonly (readonly [name: string, value: string])[] {
  if (!new RegExp(regex, 'i').test(path)) return []
  const params: Record<string, string> = {}
  const holds = (condition: Condition) => {
    const found = match(condition, valueOf(condition, request, query))
    Object.assign(params, found)
    return found !== null
  }
  if (!has.every(holds) || missing.some(holds)) return []
  const ofPath = source.match(/:[a-z]\w*/gi) ?? []
  return headers
    .filter(({ value }) => !ofPath.some((param) => value.includes(param)))
    .map(({ key, value }) => [key, fillIn(value, params)] as const)
}

function valueOf(
  { type, key = '' }: Condition,
  { headers }: Pick<IncomingMessage, 'headers'>,
  query: string,
): string | undefined {
  switch (type) {
    case 'header':
      return headers[key.toLowerCase()]?.toString()
    case 'cookie':
      return cookies(headers.cookie)[key]
    case 'query':
      return new URLSearchParams(query).getAll(key).at(-1)
    case 'host':
      return headers.host?.split(':', 1)[0]?.toLowerCase()
    default:
      return undefined
  }
}

function cookies(header = ''): Readonly<Record<string, string>> {
  return Object.fromEntries(
    header.split(';').map((pair) => {
      const [name = '', ...value] = pair.split('=')
      return [name.trim(), value.join('=').trim()]
    }),
  )
}

/** @returns the parts that the condition gives a name, or null where it does not hold */
function match(
  { type, key = '', value }: Condition,
  found: string | undefined,
): Readonly<Record<string, string>> | null {
  if (!found) return null
  if (!value) return { [key.replace(/[^a-z]/gi, '')]: found }
  const matched = new RegExp(`^${value}$`).exec(found)
  if (matched === null) return null
  return { ...(type === 'host' ? { host: matched[0] } : {}), ...matched.groups }
}

function fillIn(value: string, params: Readonly<Record<string, string>>): string {
  return value.replace(/:(\w+)[*+?]?/g, (whole, name: string) => params[name] ?? whole)
}
