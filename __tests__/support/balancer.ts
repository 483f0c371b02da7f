/** The balancers as docs/many-servers.md recommends them: its own words, with the addresses of a test. */
import { codeOf } from './docs.ts'
import { type Front, startFront } from './front.ts'
import { serveNginx } from './nginx.ts'

export type Balancer = Front

/** @param hosts three, `address:port` */
export function startNginxBalancer(hosts: readonly string[]): Promise<Balancer> {
  return serveNginx((port) => recipe('nginx', hosts, port))
}

/** @param hosts three, `address:port` */
export function startHaproxy(hosts: readonly string[]): Promise<Balancer> {
  return startFront({
    program: '/usr/sbin/haproxy',
    args: (file) => ['-db', '-q', '-f', file],
    configuration: (port) => recipe('haproxy', hosts, port),
  })
}

function recipe(name: 'haproxy' | 'nginx', hosts: readonly string[], port: number): string {
  const text = codeOf('many-servers.md', name)
  const listen =
    name === 'nginx' ? ['listen 80;', `listen 127.0.0.1:${port};`] : ['bind :80', `bind 127.0.0.1:${port}`]
  const changes = [listen, ...hosts.map((host, index) => [`10.0.0.1${index + 1}:3000`, host])]
  return changes.reduce((changed, [from = '', to = '']) => {
    if (!changed.includes(from)) throw new Error(`the recipe for ${name} does not say ${from}`)
    return changed.replaceAll(from, to)
  }, text)
}
