/** check: how long the proxy keeps idle connections to the app, by the lines of its configuration. Pure. */
import type { Check } from '../outcome.ts'

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
    upstreams.push({ level: 'ok', what: 'nginx', value: 'a new connection for each request', remedy: null })
  const caddy = text
    .split(/(?=\breverse_proxy\b)/)
    .filter((part) => part.startsWith('reverse_proxy') && leadsHere.test(part.split('\n', 1)[0] ?? ''))
    .map(caddyRow)
  return [...upstreams, ...caddy]
}

function nginxRow(name: string, block: string): Check {
  const keeps = /^\s*keepalive\s+\d/m.test(block)
  if (!keeps)
    return { level: 'ok', what: 'nginx', value: `upstream ${name} keeps no connections`, remedy: null }
  const said = /^\s*keepalive_timeout\s+([^\s;]+)/m.exec(block)?.[1]
  return row(
    'nginx',
    `upstream ${name}`,
    said ?? `${NGINX}s`,
    said === undefined,
    'Set `keepalive_timeout 4s;` in that `upstream`.',
  )
}

function caddyRow(part: string): Check {
  const said = /^\s*keepalive\s+(\S+)/m.exec(part)?.[1]
  if (said === 'off') return { level: 'ok', what: 'Caddy', value: 'keeps no connections', remedy: null }
  return row(
    'Caddy',
    'reverse_proxy',
    said ?? `${CADDY}s`,
    said === undefined,
    'Set `keepalive 4s` in its `transport http`.',
  )
}

function row(what: string, where: string, time: string, byDefault: boolean, remedy: string): Check {
  const value = `${where} keeps idle connections for ${time}${byDefault ? ' (its default)' : ''}`
  return secondsOf(time) <= LONGEST
    ? { level: 'ok', what, value, remedy: null }
    : { level: 'doubt', what, value, remedy }
}

const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 }

/** Infinity where it cannot be read, such as a variable. */
function secondsOf(time: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(time) ?? []
  return number === '' ? Infinity : Number(number) * (UNITS[unit] ?? 1)
}
