/** A custom server around Next.js (`next({ dev })`), which a standalone build leaves out. */
import { join, relative } from 'node:path'
import { failure } from '../common/errors/build.ts'
import type { Failure } from '../common/failure.ts'
import { ECOSYSTEM_FILES } from './ecosystem-file.ts'
import { isFile, readTextIfAny } from './files.ts'
import type { PackageJson } from './package-json.ts'
import { findCustomServer } from './server-modules.ts'
import { followCommand } from './start-command.ts'

/**
 * Follows the command that starts the app in production. A `server.js` that it does not run may be for development.
 * @returns warnings about what could not be followed, one sentence each
 * @throws Failure `custom-server`
 */
export function refuseCustomServer(
  directory: string,
  workspace: string,
  manifest: PackageJson,
): readonly string[] {
  const start = productionCommand(directory, manifest)
  if (start === undefined) return []
  const { programs, runsNext, unknown } = followCommand(start.command, directory, workspace)
  for (const { file, trail } of programs) {
    const server = findCustomServer(file, workspace)
    if (server !== undefined) throw customServer(start, [...trail, ...new Set([file, server])], directory)
  }
  const command = `${start.where} (\`${start.command}\`)`
  if (unknown.length > 0) {
    return [`${command} runs ${unknown.map((file) => `"${file}"`).join(', ')}, ${UNREADABLE}. ${ONLY_NEXT}`]
  }
  return runsNext || programs.length > 0 ? [] : [`${command} does not run \`next start\`. ${ONLY_NEXT}`]
}

const UNREADABLE = 'whose contents are not known before it runs'
const ONLY_NEXT =
  'The release runs the standalone server of Next.js: a custom server, and anything else that this command starts, is not part of it.'

interface Start {
  readonly command: string
  /** `Script "start"` */
  readonly where: string
}

/** `start` may be for development where another script is for production; `prod` is often a deploy. */
const SCRIPTS = ['start:prod', 'start:production', 'start', 'serve', 'production', 'prod']

function productionCommand(directory: string, { scripts }: PackageJson): Start | undefined {
  const name = SCRIPTS.find((each) => typeof scripts[each] === 'string' && scripts[each] !== '')
  if (name !== undefined) return { command: scripts[name] as string, where: `The script \`${name}\`` }
  const web = /^web:(.*)$/m.exec(readTextIfAny(join(directory, 'Procfile')) ?? '')?.[1]
  if (web !== undefined) return { command: web.trim(), where: 'The Procfile' }
  const ecosystem = ECOSYSTEM_FILES.find((file) => isFile(join(directory, file)))
  return ecosystem === undefined
    ? undefined
    : { command: `pm2 start ${ecosystem}`, where: "PM2's ecosystem file" }
}

function customServer({ command, where }: Start, trail: readonly string[], directory: string): Failure {
  const way = trail.map((step) => (step.startsWith('/') ? relative(directory, step) : step))
  return failure(
    'custom-server',
    { origin: where, command, server: way.at(-1) ?? '' },
    { evidence: way.join('\n→ ') },
  )
}
