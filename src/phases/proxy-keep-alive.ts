/** check: how long the proxy keeps idle connections to the app, by the lines of its configuration. Pure. */
import { type Check, doubt, ok } from '../common/check.ts'

/** In s: below the 6 s after which a leaving worker closes idle connections. */
const LONGEST = 5
/** In s, by default: nginx's `keepalive_timeout` of an upstream, and Caddy's `keepalive`. */
const NGINX = 60
const CADDY = 120

/** @returns a row for each proxy that leads to the port */
export function proxyKeepAlive(lines: readonly string[], port: number): readonly Check[] {
  const text = lines.join('\n')
  const leadsHere = new RegExp(`(?:^|[\\s/@]|127\\.0\\.0\\.1|localhost|\\[::1\\]|0\\.0\\.0\\.0):${port}\\b`)
  const upstreams = [...text.matchAll(/\bupstream\s+(\S+)\s*\{([^}]*)\}/g)]
    .filter(([, , block = '']) => leadsHere.test(block))
    .map(([, name = '', block = '']) => nginxRow(name, block))
  const direct = new RegExp(`proxy_pass\\s+https?://(?:127\\.0\\.0\\.1|localhost|\\[::1\\]):${port}\\b`)
  if (upstreams.length === 0 && direct.test(text))
    upstreams.push(ok('nginx', 'a new connection for each request'))
  const caddy = text
    .split(/(?=\breverse_proxy\b)/)
    .filter((part) => part.startsWith('reverse_proxy') && leadsHere.test(part.split('\n', 1)[0] ?? ''))
    .map(caddyRow)
  return [...upstreams, ...caddy]
}

function nginxRow(name: string, block: string): Check {
  const keeps = /^\s*keepalive\s+\d/m.test(block)
  if (!keeps) return ok('nginx', `upstream ${name} keeps no connections`)
  const said = /^\s*keepalive_timeout\s+([^\s;]+)/m.exec(block)?.[1]
  const remedy = 'Set `keepalive_timeout 4s;` in that `upstream`.'
  return row('nginx', `upstream ${name}`, said, NGINX, remedy)
}

function caddyRow(part: string): Check {
  const said = /^\s*keepalive\s+(\S+)/m.exec(part)?.[1]
  if (said === 'off') return ok('Caddy', 'keeps no connections')
  return row('Caddy', 'reverse_proxy', said, CADDY, 'Set `keepalive 4s` in its `transport http`.')
}

/** @param otherwise by default, in s */
function row(
  what: string,
  where: string,
  said: string | undefined,
  otherwise: number,
  remedy: string,
): Check {
  const time = said ?? `${otherwise}s`
  const value = `${where} keeps idle connections for ${time}${said === undefined ? ' (its default)' : ''}`
  return secondsOf(time) <= LONGEST ? ok(what, value) : doubt(what, value, remedy)
}

const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 }

/** Infinity where it cannot be read, such as a variable. */
function secondsOf(time: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(time) ?? []
  return number === '' ? Infinity : Number(number) * (UNITS[unit] ?? 1)
}
