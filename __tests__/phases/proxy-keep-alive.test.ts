import { describe, expect, test } from '@jest/globals'
import { proxyKeepAlive } from '../../src/phases/proxy-keep-alive.ts'
import { codeOf } from '../support/docs.ts'

const rows = (text: string, port = 3000) => proxyKeepAlive(text.split('\n'), port)

test.each([
  ['nginx', 'nginx'],
  ['Caddy', 'caddyfile'],
])('what the documents say about %s is short enough', (what, language) => {
  expect(rows(codeOf('getting-started.md', language))).toMatchObject([{ level: 'ok', what }])
})

describe('nginx', () => {
  test('the time that counts is the upstream’s, not that of visitors', () => {
    const text = 'http {\nkeepalive_timeout 4;\nupstream web {\nserver 127.0.0.1:3000;\nkeepalive 16;\n}\n}'
    expect(rows(text)).toMatchObject([
      { level: 'doubt', value: 'upstream web keeps idle connections for 60s (its default)' },
    ])
  })

  test.each([
    ['4s', 'ok'],
    ['5', 'ok'],
    ['500ms', 'ok'],
    ['6s', 'doubt'],
    ['1m', 'doubt'],
    ['$time', 'doubt'],
  ])('%s is %s', (time, level) => {
    const text = `upstream web {\nserver localhost:3000;\nkeepalive 16;\nkeepalive_timeout ${time};\n}`
    expect(rows(text)).toMatchObject([{ level }])
  })

  test('an upstream that keeps none, a proxy without one, and one of another app', () => {
    expect(rows('upstream web {\nserver 127.0.0.1:3000;\n}')).toMatchObject([{ level: 'ok' }])
    expect(rows('location / {\nproxy_pass http://127.0.0.1:3000;\n}')).toMatchObject([{ level: 'ok' }])
    expect(rows('upstream other {\nserver 127.0.0.1:30001;\nkeepalive 16;\n}')).toEqual([])
  })
})

test.each([
  ['example.com {\nreverse_proxy localhost:3000\n}', 'doubt'],
  ['example.com {\nreverse_proxy :3000 {\ntransport http {\nkeepalive 2m\n}\n}\n}', 'doubt'],
  ['example.com {\nreverse_proxy :3000 {\ntransport http {\nkeepalive off\n}\n}\n}', 'ok'],
  ['a {\nreverse_proxy :3000 {\ntransport http {\nkeepalive 4s\n}\n}\n}\nb {\nreverse_proxy :4000\n}', 'ok'],
])('Caddy: %j', (text, level) => {
  expect(rows(text)).toMatchObject([{ level, what: 'Caddy' }])
})
