/**
 * Where Node and PM2 are on people's servers. An SSH session often lacks the PATH of the user's own shell, so
 * both sides search: the shell line for Node, the agent for PM2.
 */
import { failure } from '../common/errors/protocol.ts'
import type { Failure } from '../common/failure.ts'

/** The variable in which the shell line leaves the PATH of the user's login shell for the agent. */
export const LOGIN_PATH = 'GAPLESS_LOGIN_PATH'

/** A login shell may wait for something for ever; limit in s. */
export const LOGIN_SHELL_TIMEOUT = 5

/** Below the home: what `setup` brought. */
export const RUNTIME = '.gapless/runtime'
/** Setup brings only what is missing: only what `bin-path` names goes before that. */
export const runtimeFolder = `${RUNTIME}/bin`

/** The oldest Node that the agent and the launcher run on. */
export const OLDEST_NODE = 18

/** Major and minor version of the oldest Node that every supported Next.js runs on: what 16 needs. */
export const FITTING_NODE = [20, 9] as const

/** Below the home, one folder of programs for each installed version of Node; `*` is the version. */
export const versionFolders = [
  '.nvm/versions/node/*/bin',
  '.config/nvm/versions/node/*/bin',
  '.local/share/fnm/node-versions/*/installation/bin',
  '.fnm/node-versions/*/installation/bin',
  '.volta/tools/image/node/*/bin',
  '.asdf/installs/nodejs/*/bin',
  '.local/share/mise/installs/node/*/bin',
  '.nodenv/versions/*/bin',
  '.linuxbrew/opt/node@*/bin',
] as const

/** The same outside of homes. */
export const systemVersionFolders = [
  '/usr/local/nvm/versions/node/*/bin',
  '/opt/nvm/versions/node/*/bin',
  '/home/linuxbrew/.linuxbrew/opt/node@*/bin',
  '/usr/local/lib/nodejs/*/bin',
  '/opt/node-*/bin',
  '/opt/nodejs/*/bin',
  // aaPanel, Plesk, cPanel, CloudLinux
  '/www/server/nodejs/*/bin',
  '/opt/plesk/node/*/bin',
  '/opt/cpanel/ea-nodejs*/bin',
  '/opt/alt/alt-nodejs*/root/usr/bin',
] as const

/** Below the home, single folders of programs: of version managers, npm's prefix, package managers. */
export const homeFolders = [
  '.local/share/fnm/aliases/default/bin',
  '.volta/bin',
  '.asdf/shims',
  '.local/share/mise/shims',
  'n/bin',
  '.n/bin',
  '.npm-global/bin',
  '.npm-packages/bin',
  '.local/bin',
  'bin',
  '.local/share/pnpm',
  '.yarn/bin',
  '.bun/bin',
  '.linuxbrew/bin',
  '.nodebrew/current/bin',
  '.nix-profile/bin',
] as const

/** Below the home, where version managers put PM2 apart from Node. */
export const pm2Folders = [
  '.volta/tools/image/packages/pm2/bin',
  '.local/share/mise/installs/npm-pm2/*/bin',
  '.asdf/installs/nodejs/*/.npm/bin',
] as const

export const systemFolders = [
  '/usr/local/bin',
  '/usr/bin',
  '/opt/node/bin',
  '/opt/homebrew/bin',
  '/home/linuxbrew/.linuxbrew/bin',
  '/snap/bin',
  '/snap/node/current/bin',
  '/nix/var/nix/profiles/default/bin',
  '/run/current-system/sw/bin',
] as const

/** @param searched every file that was looked for, with what was wrong with existing ones */
export function nodeMissing(searched: readonly string[]): Failure {
  return failure('node-missing', {}, { evidence: ['searched:', ...searched].join('\n') })
}

/** @param searched every folder that was searched @param node the Node that runs the agent */
export function pm2Missing(searched: readonly string[], node: string): Failure {
  return failure(
    'pm2-missing',
    { nodeFolder: node.replace(/\/[^/]*$/, '') },
    { evidence: ['searched:', ...searched].join('\n') },
  )
}
