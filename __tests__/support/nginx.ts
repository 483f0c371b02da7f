/** A real nginx in front of an app, as the docs recommend it: upstream keep-alive below the app's own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './server.ts'
import { until } from './until.ts'

export interface Nginx {
  readonly url: string
  stop(): Promise<void>
}

export function startNginx(upstreamPort: number): Promise<Nginx> {
  return serveNginx((port) => recommended(upstreamPort, port))
}

/** @param configuration what stands in `http { }`, given a port of 127.0.0.1 to listen on */
export async function serveNginx(configuration: (port: number) => string): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-nginx-'))
  const port = await freePort()
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 512; }
http {
  access_log off;
  # In memory: the worker may run as a user that cannot write here.
  client_body_buffer_size 1m;
  ${temp.join('\n  ')}
  ${configuration(port)}
}
`,
  )
  const nginx = spawn(
    '/usr/sbin/nginx',
    ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')],
    { stdio: 'ignore' },
  )
  const url = `http://127.0.0.1:${port}`
  await until('nginx answers', async () => {
    if (nginx.exitCode !== null) throw new Error('nginx did not start')
    return fetch(url).then(
      () => true,
      () => false,
    )
  })
  return {
    url,
    async stop() {
      const exited = once(nginx, 'exit')
      nginx.kill('SIGQUIT')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function recommended(upstreamPort: number, port: number): string {
  return `upstream app {
  server 127.0.0.1:${upstreamPort};
  keepalive 16;
  keepalive_timeout 4s;
}
server {
  listen 127.0.0.1:${port};
  location / {
    proxy_pass http://app;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_buffering off;
  }
}`
}
