/** The balancers as docs/many-servers.md recommends them: its own words, with the addresses of a test. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Nginx, serveNginx } from './nginx.ts'
import { freePort } from './server.ts'
import { until } from './until.ts'

export type Balancer = Nginx

const recipes = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'many-servers.md'), 'utf8')

/** @param hosts three, `address:port` */
export function startNginxBalancer(hosts: readonly string[]): Promise<Balancer> {
  return serveNginx((port) => recipe('nginx', hosts, port))
}

/** @param hosts three, `address:port` */
export async function startHaproxy(hosts: readonly string[]): Promise<Balancer> {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-haproxy-'))
  const port = await freePort()
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, recipe('haproxy', hosts, port))
  const haproxy = spawn('/usr/sbin/haproxy', ['-db', '-q', '-f', file], { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  await until('haproxy answers', async () => {
    if (haproxy.exitCode !== null) throw new Error('haproxy did not start')
    return fetch(url).then(
      ({ ok }) => ok,
      () => false,
    )
  })
  return {
    url,
    async stop() {
      const exited = once(haproxy, 'exit')
      haproxy.kill('SIGKILL')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function recipe(name: 'haproxy' | 'nginx', hosts: readonly string[], port: number): string {
  const text = new RegExp(`^\`\`\`${name}\\n([^]*?)^\`\`\`$`, 'm').exec(recipes)?.[1]
  if (text === undefined) throw new Error(`docs/many-servers.md has no recipe for ${name}`)
  const listen =
    name === 'nginx' ? ['listen 80;', `listen 127.0.0.1:${port};`] : ['bind :80', `bind 127.0.0.1:${port}`]
  const changes = [listen, ...hosts.map((host, index) => [`10.0.0.1${index + 1}:3000`, host])]
  return changes.reduce((changed, [from = '', to = '']) => {
    if (!changed.includes(from)) throw new Error(`the recipe for ${name} does not say ${from}`)
    return changed.replaceAll(from, to)
  }, text)
}
