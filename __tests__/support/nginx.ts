/** A real nginx in front of an app, as the docs recommend it: upstream keep-alive below the app's own. */
import { type Front, startFront } from './front.ts'

export type Nginx = Front

export function startNginx(upstreamPort: number): Promise<Nginx> {
  return serveNginx((port) => recommended(upstreamPort, port))
}

/**
 * @param http what stands in `http { }`, given a port of 127.0.0.1 to listen on
 * @param user of the workers, where root starts it: nobody unless said otherwise
 */
export function serveNginx(http: (port: number) => string, user = ''): Promise<Nginx> {
  return startFront({
    program: '/usr/sbin/nginx',
    args: (file) => ['-c', file, '-e', `${file}.errors`],
    configuration(port, folder) {
      const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${folder}/${name};`,
      )
      return `daemon off;
${user === '' ? '' : `user ${user};`}
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 512; }
http {
  access_log off;
  # In memory: the worker may run as a user that cannot write here.
  client_body_buffer_size 1m;
  ${temp.join('\n  ')}
  ${http(port)}
}
`
    },
  })
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
