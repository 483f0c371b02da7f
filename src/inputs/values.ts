/** Parsers of single values: text in, value out, Unusable for what cannot be used. They know no input by name. */

import { isIP } from 'node:net'
import type { Origin } from '../common/health.ts'
import { advisories } from '../common/next-advisories.ts'
import { Unusable } from './unusable.ts'

/** All control characters: they forge log lines, and have no place in any of these values. */
const control = /\p{Cc}/u

const second = 1000
export const minute = 60 * second
export const hour = 60 * minute
export const day = 24 * hour

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: second,
  m: minute,
  h: hour,
  d: day,
  '': second,
}

/** A duration in milliseconds, rounded, within the bounds; a bare number is seconds. */
export function duration(bounds: { readonly atLeast?: number; readonly atMost: number }) {
  return (text: string): number => {
    const [, digits, unit = ''] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)?$/.exec(text) ?? []
    const scale = durationUnits[unit]
    if (digits === undefined || scale === undefined) {
      throw new Unusable('a duration such as 500ms, 30s or 10m')
    }
    const ms = Math.round(Number(digits) * scale)
    const atLeast = bounds.atLeast ?? 0
    if (ms < atLeast || ms > bounds.atMost) {
      throw new Unusable(`a duration from ${describeDuration(atLeast)} to ${describeDuration(bounds.atMost)}`)
    }
    return ms
  }
}

function describeDuration(ms: number): string {
  if (ms > 0 && ms % day === 0) return `${ms / day}d`
  if (ms > 0 && ms % hour === 0) return `${ms / hour}h`
  if (ms > 0 && ms % minute === 0) return `${ms / minute}m`
  return ms % second === 0 ? `${ms / second}s` : `${ms}ms`
}

/** YAML 1.2's core schema, as GitHub's own toolkit reads booleans: `yes` and `on` are text there. */
export function boolean(text: string): boolean {
  if (['true', 'True', 'TRUE'].includes(text)) return true
  if (['false', 'False', 'FALSE'].includes(text)) return false
  throw new Unusable('true or false')
}

export function oneOf<const T extends string>(...choices: readonly T[]) {
  return (text: string): T => {
    const choice = choices.find((candidate) => candidate === text)
    if (choice === undefined) throw new Unusable(`${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`)
    return choice
  }
}

/** How many hosts at once: a number of them, or a share of all. */
export type BatchSize = { readonly hosts: number } | { readonly percent: number }

export function batchSize(text: string): BatchSize {
  const [, digits = '', percent] = /^(\d{1,4})(%)?$/.exec(text) ?? []
  const number = Number(digits)
  if (digits === '' || number < 1 || (percent !== undefined && number > 100)) {
    throw new Unusable('a number of hosts such as 2, or a percentage from 1% to 100%')
  }
  return percent === undefined ? { hosts: number } : { percent: number }
}

/** A whole number in plain digits: `1e3`, `0x10` and `+5` are more likely mistakes than numbers. */
export function integer(atLeast: number, atMost: number) {
  return (text: string): number => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (!(number >= atLeast && number <= atMost)) {
      throw new Unusable(`a whole number from ${atLeast} to ${atMost}`)
    }
    return number
  }
}

export const port = integer(1, 65535)

const maxInstances = 256

/** @returns 0 for `max`, as the protocol has it */
export function instances(text: string): number {
  if (text === 'max') return 0
  try {
    return integer(1, maxInstances)(text)
  } catch {
    throw new Unusable(`a number of workers from 1 to ${maxInstances}, or max`)
  }
}

const memoryUnits: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }

/** A size in bytes; K, M and G are powers of 1024, as in PM2's own `max_memory_restart`. */
export function memory(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,15}(?:\.\d+)?)([KMG])?$/i.exec(text) ?? []
  const bytes = Math.floor(Number(digits) * (memoryUnits[unit.toUpperCase()] ?? Number.NaN))
  if (!(bytes > 0 && Number.isSafeInteger(bytes))) {
    throw new Unusable('a size such as 768M, 1G, 524288K or a number of bytes')
  }
  return bytes
}

export function statusRanges(text: string): readonly (readonly [number, number])[] {
  return text.split(',').map((part) => {
    const [, from, to = from] = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(part.trim()) ?? []
    if (from === undefined || to === undefined || Number(from) > Number(to)) {
      throw new Unusable('status codes from 100 to 599, such as 200-399 or 200,204,301-308')
    }
    return [Number(from), Number(to)] as const
  })
}

/** The path of a request as it goes over the wire; Node's http client throws on anything else. */
export function requestPath(text: string): string {
  if (!/^\/[\x21-\x7e]*$/.test(text) || text.includes('#')) {
    throw new Unusable('a path that begins with /, percent-encoded where needed, such as /api/health')
  }
  return text
}

/** A major version, or one exact version: the agent and PM2 need 18. */
export function nodeVersion(text: string): string {
  const [, major] = /^v?(\d{2})(?:\.\d{1,3}\.\d{1,3})?$/.exec(text) ?? []
  if (major === undefined || Number(major) < 18)
    throw new Unusable('a version such as 24 or 24.9.0, from 18 on')
  return text.replace(/^v/, '')
}

/** A critical hole that Gapless knows: any other id would let nothing pass. */
export function advisory(text: string): string {
  const known = advisories.flatMap(({ ids }) => ids)
  const id = text.toUpperCase()
  if (!known.includes(id)) throw new Unusable(`one of ${known.join(', ')}`)
  return id
}

export function httpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && (url.username !== '' || url.password !== '')) {
    throw new Unusable('an http or https URL without a user name or password', false)
  }
  if (url === undefined || !/^https?:\/\//i.test(text) || /\s/.test(text) || control.test(text)) {
    throw new Unusable('an http or https URL such as https://example.com/api/health')
  }
  return url.href
}

/** A preview's name, as PREVIEW_NAME of the protocol has it. */
export function previewName(text: string): string {
  if (/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/.test(text)) return text
  throw new Unusable('a name of at most 40 lower-case letters, digits and -, such as pr-12')
}

/** Stands for the preview's name in `url`. */
const PLACEHOLDER = '{preview}'

/** The app's public address; `{preview}` stays in it. */
export function publicUrl(text: string): string {
  httpUrl(inPlaceOfPreview(text, 'preview'))
  return text
}

export function inPlaceOfPreview(url: string, name: string): string {
  return url.replaceAll(PLACEHOLDER, name)
}

export function environmentName(text: string): string {
  if (text.length > 255 || control.test(text)) throw new Unusable('a name of at most 255 characters')
  return text
}

/** A public host, by https unless a scheme says otherwise. */
export function requestOrigin(text: string): Origin {
  const full = /^https?:\/\//i.test(text) ? text : `https://${text}`
  const url = URL.canParse(full) && !control.test(text) ? new URL(full) : undefined
  const bare = url?.hostname.replace(/^\[(.*)\]$/, '$1') ?? ''
  const isHost = isIP(bare) !== 0 || (bare !== '' && isHostName(bare))
  if (url === undefined || !isHost || `${url.origin}/` !== url.href) {
    throw new Unusable('a host such as example.com, example.com:8080 or http://example.com')
  }
  return { scheme: url.protocol === 'http:' ? 'http' : 'https', host: url.host }
}

export function releaseId(text: string): string {
  if (!/^\d{14}$/.test(text)) throw new Unusable('a release id of 14 digits such as 20261120155203')
  return text
}

/** An address to listen on; an IPv6 one with or without brackets. */
export function listenHost(text: string): string {
  const bare = text.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) === 0 && (bare !== text || !isHostName(text))) {
    throw new Unusable('an IP address or host name such as 127.0.0.1')
  }
  return bare
}

export function isHostName(text: string): boolean {
  return (
    text.length <= 253 && /^[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?$/.test(text)
  )
}

export function userName(text: string): string {
  if (text.includes(':')) throw new Unusable('a user name without a password', false)
  if (text === '' || /\s/.test(text) || control.test(text) || text.startsWith('-')) {
    throw new Unusable('a user name such as deploy')
  }
  return text
}

/** A host key's fingerprint, alone or in the line that `ssh-keygen -l` prints (`256 SHA256:… comment (ED25519)`). */
export function fingerprint(text: string): string {
  const [word, ...others] = text.split(/\s+/).filter((part) => part.startsWith('SHA256:'))
  const [, hash] = /^SHA256:([A-Za-z0-9+/]{43})=?$/.exec(word ?? '') ?? []
  if (hash === undefined || others.length > 0) {
    throw new Unusable(
      'a fingerprint such as SHA256:… with 43 characters after the colon, from ssh-keygen -lf',
    )
  }
  return `SHA256:${hash}`
}

/** `known_hosts` text with at least one entry; the entries themselves are read when the host is checked. */
export function knownHosts(text: string): string {
  if (!text.split('\n').some((line) => /^[^#\s]\S*\s+\S+/.test(line.trim()))) {
    throw new Unusable('known_hosts lines such as: example.com ssh-ed25519 AAAA…')
  }
  return text
}
