import { describe, expect, test } from '@jest/globals'
import { configuredHeaders, type HeaderRule } from '../../src/worker/configured-headers.ts'

/** As in the routes-manifest.json of Next.js 14.2.35, 15.5.29 and 16.4.6. */
const STATIC = {
  source: '/_next/static/:path*',
  regex: '^/_next/static(?:/((?:[^/]+?)(?:/(?:[^/]+?))*))?(?:/)?$',
}
const EVERYTHING = { source: '/(.*)', regex: '^(?:/(.*))(?:/)?$' }

type Asked = Parameters<typeof configuredHeaders>[1]

const nosniff = { key: 'X-Content-Type-Options', value: 'nosniff' }
const chunk: Asked = { url: '/_next/static/chunks/a.js?dpl=1', headers: { host: 'shop.example:8080' } }
const of = (rule: Partial<HeaderRule>, request: Partial<Asked> = {}) =>
  Object.fromEntries(
    configuredHeaders([{ ...STATIC, headers: [nosniff], ...rule }], { ...chunk, ...request }),
  )

test('a rule counts where its path does, whatever the case', () => {
  const sent = { 'X-Content-Type-Options': 'nosniff' }
  expect(of({})).toEqual(sent)
  expect(of({}, { url: '/_NEXT/static/a.js' })).toEqual(sent)
  expect(of(EVERYTHING, { url: '/_next/image?url=%2Fa.png' })).toEqual(sent)
  expect(of({}, { url: '/other/_next/static/a.js' })).toEqual({})
})

test('a later rule replaces the header of an earlier one', () => {
  const rules = ['a', 'b'].map((value) => ({ ...STATIC, headers: [{ key: 'X-Kind', value }] }))
  expect(Object.fromEntries(configuredHeaders(rules, chunk))).toEqual({ 'X-Kind': 'b' })
})

test('the origin that a condition names is repeated in the value', () => {
  const rule = {
    ...EVERYTHING,
    has: [{ type: 'header', key: 'Origin', value: '(?<origin>https://.*\\.example\\.com)' }],
    headers: [{ key: 'Access-Control-Allow-Origin', value: ':origin' }],
  } as const
  const origin = 'https://a.example.com'
  expect(of(rule, { headers: { origin } })).toEqual({ 'Access-Control-Allow-Origin': origin })
  expect(of(rule, { headers: { origin: 'https://a.example.org' } })).toEqual({})
  expect(of(rule)).toEqual({})
})

describe('a condition', () => {
  const request = {
    url: '/_next/static/a.js?dpl=7',
    headers: { host: 'Shop.example:8080', cookie: 'a=1; kind=b=c', 'x-kind': 'c' },
  }
  const holds = [
    { type: 'host', value: 'shop\\.example' },
    { type: 'cookie', key: 'kind', value: 'b=c' },
    { type: 'query', key: 'dpl', value: '7' },
    { type: 'header', key: 'X-Kind' },
  ] as const
  test.each(holds)('of the type $type must hold', (condition) => {
    expect(of({ has: [condition] }, request)).toEqual({ 'X-Content-Type-Options': 'nosniff' })
    expect(of({ missing: [condition] }, request)).toEqual({})
    const not = { ...condition, value: 'other' }
    expect(of({ has: [not] }, request)).toEqual({})
    expect(of({ missing: [not] }, request)).toEqual({ 'X-Content-Type-Options': 'nosniff' })
  })
})

test('colons that name nothing stay, and a value that repeats the path is left out', () => {
  const headers = [
    { key: 'Content-Security-Policy', value: "default-src 'self' https://cdn.example:8443" },
    { key: 'Link', value: '</:path*>; rel=preload' },
  ]
  expect(of({ headers })).toEqual({ 'Content-Security-Policy': headers[0]!.value })
})

test('rules in a form that is not known set nothing', () => {
  expect(configuredHeaders([{ path: '/(' }] as unknown as HeaderRule[], chunk)).toEqual([])
  expect(of({ regex: '(' })).toEqual({})
})
