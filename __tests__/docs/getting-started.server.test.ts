/** Runs the commands of docs/getting-started.md in their order, on a host without users. */
import { existsSync, readFileSync } from 'node:fs'
import { createServer, get, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type BareHost, startBareHost } from '../support/bare-host.ts'
import { runAction } from '../support/runner.ts'
import { freePort } from '../support/port.ts'
import { mayUnshare } from '../support/sshd.ts'
import { until } from '../support/until.ts'
import { checkOut } from '../support/workspace.ts'

const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'getting-started.md'), 'utf8')
const BY_HAND = '## Node.js and PM2 by hand\n'
const commandsOf = (page: string) =>
  [...page.matchAll(/(?:<!-- (.+?) -->\n\n)?```sh\n([^]*?)^```$/gm)].map(([, mark = '', script = '']) => ({
    mark,
    script,
  }))
const [commands = [], byHand = []] = text.split(BY_HAND).map(commandsOf)
const block = (language: string) =>
  new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'm').exec(text)?.[1] ?? ''
const toRun = (page: typeof commands) =>
  page.flatMap(({ mark, script }) => {
    const user = /^run: (\w+)$/.exec(mark)?.[1]
    return user === undefined ? [] : [{ user, script, name: script.replace(/^#.*\n/, '').split('\n', 1)[0] }]
  })
const [prepared, preparedByHand] = [toRun(commands), toRun(byHand)]
const all = process.env['GAPLESS_TEST_ALL'] === '1'
const caddy = '/usr/bin/caddy'

test('every command of the page is run, but for these', () => {
  const others = [...commands, ...byHand]
    .map(({ mark }) => mark)
    .filter((mark) => !/^run: (root|you|deploy)$/.test(mark))
  expect(others).toEqual([
    'run after a deploy: deploy',
    "not run: needs the distribution's package servers",
    'not run: needs systemd',
    "not run: needs the distribution's package servers",
  ])
})

;(mayUnshare ? describe : describe.skip)('on a bare host', () => {
  let host: BareHost
  let app: Server
  /** Of the app that the page deploys. */
  let port = 0
  beforeAll(async () => {
    host = await startBareHost()
    app = await startApp()
    const { port: appPort } = app.address() as AddressInfo
    await write(
      '/etc/nginx/sites-available/web',
      block('nginx').replace('listen 80;', `listen ${host.address}:80;`).replaceAll('3000', String(appPort)),
    )
  }, 60_000)
  afterAll(async () => {
    await host.stop()
    app.closeAllConnections()
    app.close()
  }, 60_000)

  const write = (file: string, content: string) =>
    host.run('root', `mkdir -p "$(dirname ${file})"; cat > ${file} <<'END'\n${content}END`)

  // In one test each, because every block needs those before it.
  const results: string[] = []
  test.each(prepared)(
    'as $user: $name',
    async ({ user, script }) => {
      results.push(await host.run(user, script))
    },
    90_000,
  )

  test('the fingerprint that you see is the one that the server says', () => {
    const seen = results.flatMap((result) => result.match(/SHA256:\S+/g) ?? [])
    expect(seen).toHaveLength(2)
    expect(seen[0]).toBe(seen[1])
  })

  test('the deploy key runs commands, and opens no terminal and no tunnel', async () => {
    const ssh = 'ssh -i deploy_key -o IdentitiesOnly=yes -o UserKnownHostsFile=known_hosts'
    expect(await host.run('you', `${ssh} deploy@example.com id -un`)).toBe('deploy\n')
    await expect(host.run('you', `${ssh} -W 127.0.0.1:22 deploy@example.com`)).rejects.toThrow('prohibited')
  })

  describe('nginx', () => {
    beforeAll(() => host.start('/usr/sbin/nginx', '-g', 'daemon off;'))
    itPassesOn()
  })

  ;(all && existsSync(caddy) ? describe : describe.skip)('Caddy', () => {
    beforeAll(async () => {
      const { port } = app.address() as AddressInfo
      const file = block('caddyfile').replace('3000', String(port))
      // Without a certificate, and beside nginx.
      await write(
        '/etc/caddy/Caddyfile',
        `{\n\tadmin off\n}\n${file.replace(/^example\.com/, 'http://:8080')}`.replace(
          'reverse_proxy',
          `bind ${host.address}\n\treverse_proxy`,
        ),
      )
      await host.run('root', `${caddy} validate --config /etc/caddy/Caddyfile --adapter caddyfile`)
      host.start(caddy, 'run', '--config', '/etc/caddy/Caddyfile', '--adapter', 'caddyfile')
    })
    itPassesOn(8080)
  })

  function itPassesOn(port = 80) {
    const ask = (path: string, headers = {}) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        get({ host: host.address, port, path, headers: { host: 'example.com', ...headers } })
          .on('response', resolve)
          .on('upgrade', (answer, socket) => {
            socket.destroy()
            resolve(answer)
          })
          .on('error', reject)
      })

    test('pages, with what Next.js says about caching and with the name that was asked for', async () => {
      await until('the proxy answers', () =>
        ask('/').then(
          (answer) => answer.resume(),
          () => false,
        ),
      )
      const answer = await ask('/')
      expect(answer.statusCode).toBe(200)
      expect(answer.headers['cache-control']).toBe('s-maxage=60')
      expect(JSON.parse(await bodyOf(answer))).toMatchObject({ host: 'example.com', connection: 'kept' })
    })

    test('a stream, as it comes', async () => {
      const answer = await ask('/stream')
      const { done } = await answer[Symbol.asyncIterator]().next()
      // The app ends its answer only when somebody asks for that: the first part must have come before.
      expect(done).toBe(false)
      ;(await ask('/end')).resume()
    })

    test('an upgrade to WebSocket', async () => {
      const answer = await ask('/socket', { connection: 'Upgrade', upgrade: 'websocket' })
      expect(answer.statusCode).toBe(101)
    })
  }

  ;(all ? describe : describe.skip)('the first deploy', () => {
    let prepare: Awaited<ReturnType<typeof runAction>>
    let result: Awaited<ReturnType<typeof runAction>>
    beforeAll(async () => {
      port = await freePort()
      const workspace = checkOut()
      const [key, line] = await Promise.all(
        ['deploy_key', 'known_hosts'].map((file) => host.run('you', `cat ${file}`)),
      )
      // What the two steps of the page's workflow say; the name is known on the host alone.
      const inputs = {
        host: host.address,
        username: 'deploy',
        key: key!,
        'known-hosts': line!.replace('example.com', host.address),
        'app-name': 'web',
        'app-port': String(port),
      }
      prepare = await runAction({ inputs: { ...inputs, command: 'setup' }, workspace: workspace.path })
      result = await runAction({ inputs, workspace: workspace.path })
      workspace.remove()
    }, 300_000)

    test('is live', () => {
      expect({ code: prepare.code, log: prepare.log }).toMatchObject({ code: 0 })
      expect(result).toMatchObject({ code: 0, outputs: { status: 'live' } })
    })

    test('is seen by the commands of the page', async () => {
      const { script } = commands.find(({ mark }) => mark === 'run after a deploy: deploy')!
      const shown = await host.run('deploy', script.replaceAll('3000', String(port)))
      expect(shown).toContain(`releases/${result.outputs['release']}`)
    })
  })

  describe('by hand', () => {
    test.each(preparedByHand)(
      'as $user: $name',
      async ({ user, script }) => {
        await host.run(user, script)
      },
      90_000,
    )

    test('PM2 is started at boot, as the user of the app', async () => {
      const unit = await host.run(
        'root',
        'cat /etc/systemd/system/multi-user.target.wants/pm2-deploy.service',
      )
      expect(unit).toMatch(/^User=deploy$/m)
      expect(unit).toMatch(/^Environment=PM2_HOME=\/home\/deploy\/\.pm2$/m)
      expect(unit).toMatch(/^ExecStart=\/home\/deploy\/\S+\/pm2 resurrect$/m)
      // What systemd itself has to say about it: nothing.
      expect(
        await host.run('root', 'systemd-analyze verify /etc/systemd/system/pm2-deploy.service 2>&1'),
      ).toBe('')
    })

    test('root runs nothing that the user of the app can change', () => {
      const asRoot = [...prepared, ...preparedByHand]
        .filter(({ user }) => user === 'root')
        .map(({ script }) => script)
      // Files are written there, and said to be there; no line begins with a program from there.
      const started = asRoot.flatMap((script) => withoutFiles(script).match(/^\S*\/home\/deploy\S*/gm) ?? [])
      expect(started).toEqual([])
      expect(asRoot.join('')).not.toContain('pm2 startup')
    })

    ;(all ? test : test.skip)(
      'comes back when PM2 starts anew, by what the unit runs',
      async () => {
        const unit = await host.run('root', 'cat /etc/systemd/system/pm2-deploy.service')
        const start = /^ExecStart=(.*)$/m.exec(unit)?.[1]
        await host.run('deploy', '~/.local/bin/pm2 kill')
        await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed')
        await host.run('deploy', start!)
        await until('the app answers', () =>
          fetch(`http://127.0.0.1:${port}/`).then(
            ({ ok }) => ok,
            () => false,
          ),
        )
      },
      60_000,
    )
  })
})

/** A script without what it writes into files. */
function withoutFiles(script: string): string {
  return script.replace(/<<'END'\n[^]*?^END$/gm, '')
}

/** What stands behind the proxy: it tells how it was asked. */
async function startApp(): Promise<Server> {
  let endStream = () => undefined as unknown
  const server = createServer((request, response) => {
    if (request.url === '/stream') {
      response.write('first')
      endStream = () => response.end()
      return
    }
    if (request.url === '/end') endStream()
    const connection = request.headers.connection === 'close' ? 'closed' : 'kept'
    response.setHeader('cache-control', 's-maxage=60')
    response.end(JSON.stringify({ host: request.headers.host, connection }))
  })
  server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

async function bodyOf(message: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of message) body += String(chunk)
  return body
}
