import { join } from 'node:path'
import { failure } from '../common/errors/build.ts'
import { readTextIfAny } from './files.ts'

export interface PackageJson {
  readonly name?: string
  readonly version?: string
  readonly main?: string
  /** `engines.node`. */
  readonly nodeRange?: string
  /** Such as `pnpm@10.1.0+sha512.…`. */
  readonly packageManager?: string
  /** Whether it is the root of a workspace of npm, Yarn or bun. */
  readonly hasWorkspaces: boolean
  readonly scripts: Readonly<Record<string, unknown>>
  readonly dependencies: Readonly<Record<string, unknown>>
  /** Dependencies of any kind that an installation includes: `dependencies` over `devDependencies`. */
  readonly installed: Readonly<Record<string, unknown>>
}

/** @returns undefined when there is none @throws Failure `invalid-package-json`, `file-unreadable` */
export function readPackageJson(directory: string): PackageJson | undefined {
  const file = join(directory, 'package.json')
  const text = readTextIfAny(file)
  if (text === undefined) return undefined
  const value = parseObject(text)
  if (value === undefined) throw failure('invalid-package-json', { file })
  const nodeRange = asObject(value.engines)?.node
  const dependencies = asObject(value.dependencies) ?? {}
  return {
    ...(typeof value.name === 'string' ? { name: value.name } : {}),
    ...(typeof value.version === 'string' ? { version: value.version } : {}),
    ...(typeof value.main === 'string' ? { main: value.main } : {}),
    ...(typeof nodeRange === 'string' ? { nodeRange } : {}),
    ...(typeof value.packageManager === 'string' ? { packageManager: value.packageManager } : {}),
    hasWorkspaces: value.workspaces !== undefined,
    scripts: asObject(value.scripts) ?? {},
    dependencies,
    installed: { ...asObject(value.devDependencies), ...dependencies },
  }
}

/** Returns the JSON object in a text, or undefined when it holds anything else. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  return asObject(parseJson(text))
}

export function parseJson(text: string): unknown {
  try {
    // npm and Node accept a byte order mark in package.json, JSON.parse does not.
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    return undefined
  }
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}
