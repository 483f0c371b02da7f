/** Which Node an app asks for, as far as its checkout tells without an installation. */
import { join } from 'node:path'
import semver from 'semver'
import { readPackageJson } from './package-json.ts'

export interface NodeNeed {
  readonly who: string
  readonly range: string
}

/** By the major version of Next.js: its `engines.node`. */
const NEXT: Readonly<Record<number, string>> = { 14: '>=18.17.0', 15: '>=18.18.0' }
const NEWER = '>=20.9.0'

/** @returns empty where there is no checkout, or one that cannot be read: a deploy says what is wrong with it */
export function nodeNeeds(directory: string): readonly NodeNeed[] {
  try {
    return needsOf(directory)
  } catch {
    return []
  }
}

function needsOf(directory: string): readonly NodeNeed[] {
  const app = readPackageJson(directory)
  const range = app?.installed['next']
  if (app === undefined || typeof range !== 'string') return []
  const own = app.nodeRange === undefined ? [] : [{ who: 'the app', range: app.nodeRange }]
  const installed = readPackageJson(join(directory, 'node_modules/next'))
  const version = installed?.version ?? (semver.validRange(range) === null ? null : semver.minVersion(range))
  const major = version === null ? null : semver.major(version)
  if (major === null || major < 14) return own
  return [...own, { who: `Next.js ${major}`, range: NEXT[major] ?? NEWER }]
}
