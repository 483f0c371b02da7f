/** The server: its disk, its users, PM2, ports, and the releases on it. */
import { failures } from './raise.ts'
import { type ErrorTexts, SEE_CHECK } from './text.ts'

const FREE = 'Free disk space or inodes on the server, or lower `keep-releases`.'
const DEPLOY_ANOTHER = 'Deploy its commit again, or choose another `release`.'
const ASK_PM2 = 'Check that `pm2 list` answers on the server, then deploy again.'

export const texts = {
  'disk-full': {
    message: 'The server’s disk is full: {problem}.',
    remedy: `${FREE} ${SEE_CHECK}`,
    cause: 'Too many releases, or logs that are never rotated (`pm2 install pm2-logrotate`).',
  },
  'disk-full: no room': {
    message: 'The release needs {needed} on the server’s disk, and {free} are free.',
    remedy: `${FREE} ${SEE_CHECK}`,
  },
  'path-not-writable': {
    message: 'User "{user}" may not write in "{path}": it belongs to {owner}.',
    remedy: `Run on the server: \`{command}\`. ${SEE_CHECK}`,
  },
  'path-not-writable: no folder': {
    message: 'User "{user}" may not write in "{path}": it is not a folder.',
    remedy: `Move the file away, or set \`path\` to another folder. ${SEE_CHECK}`,
  },
  'path-not-writable: read-only': {
    message: '"{path}" is on a file system that is mounted read-only.',
    remedy: `Mount the file system writable, or set \`path\` to a folder on another one. ${SEE_CHECK}`,
  },
  'path-not-writable: unknown path': {
    message: 'The server refused access: {problem}.',
    remedy: `Give the path in the message to the user that logs in. ${SEE_CHECK}`,
  },
  'path-unsafe': {
    message: '"{path}" is not safe from other users of the server: {reason}.',
    remedy: `Inspect and correct it: \`{command}\`. Or set \`path\` to a folder below the user’s home. ${SEE_CHECK}`,
  },
  'agent-not-kept': {
    message: 'The agent could not be saved in "{folder}".',
    remedy: 'Make the folder writable for the user that logs in, and free disk space.',
  },
  locked: {
    message: 'Another deploy of this app is still running: {holder}.',
    remedy: 'Wait for that deploy to finish, or raise `lock-timeout`.',
    cause:
      'Give all workflows that deploy the app [one `concurrency` group](recipes.md#one-deploy-at-a-time). A lock whose process is gone is void and needs no removal.',
  },
  'locked: port': {
    message: 'Another app is being deployed to port {port}.',
    remedy: 'Give each app an `app-port` of its own.',
  },
  withdrawn: {
    message: 'The run was cancelled before anything live was touched.',
    remedy: 'Run the job again if its release is still wanted.',
  },
  'withdrawn: canary': {
    message: 'The run was cancelled or interrupted while "{release}" was a canary.',
    remedy: 'Run the job again if its release is still wanted.',
  },
  'current-not-a-link': {
    message: '"{path}" is not a symbolic link.',
    remedy: `Move it away, or set \`path\` to another folder. ${SEE_CHECK}`,
    cause: 'Another tool deploys to this folder. Gapless leaves what it did not make as it is.',
  },
  'unknown-release': {
    message: 'There is no release "{release}" on the server.',
    remedy: 'Set `release` to one of these: {known}.',
  },
  'unknown-release: not ours': {
    message: '"{path}" is not a release of Gapless.',
    remedy: 'Leave the folder to the tool that made it, or remove it by hand.',
  },
  'release-damaged': {
    message: 'Release "{release}" is damaged: "{path}" {problem}.',
    remedy: DEPLOY_ANOTHER,
    cause:
      'Files were edited or removed by hand. A rollback restores from other releases what they still have.',
  },
  'release-damaged: staged': {
    message:
      'The staged release "{release}" is damaged: files were modified or removed on the server ({paths}).',
    remedy: 'Stage its commit again.',
  },
  'release-damaged: launcher': {
    message: '"{path}" was modified on the server.',
    remedy: DEPLOY_ANOTHER,
  },
  'release-damaged: every launcher': {
    message: '"{path}" was modified on the server, and no other release has an intact copy.',
    remedy: DEPLOY_ANOTHER,
  },
  'encryption-key-damaged': {
    message: '"{file}" does not hold a key of 32 bytes in base64.',
    remedy: 'Restore the file, or delete it: the next deploy makes a new key.',
    cause:
      'With a new key, pages that are open in browsers cannot call their server actions ([Failed to find Server Action](#failed-to-find-server-action)).',
  },
  'shared-path-unusable': {
    message: '`{input}` names "{path}", which is no {kind} in {place}.',
    remedy: 'Name folders in `shared-dirs` and files in `shared-files`.',
  },
  'shared-path-unusable: link': {
    message: 'The shared path "{path}" leads out of the release through a link.',
    remedy: 'Remove the link from the build, or share another path.',
  },
  'symlink-escapes': {
    message: 'The link "{path}" to "{target}" leads out of {folder}.',
    remedy: 'Replace the link with the file or folder that it points at, and deploy again.',
  },
  'pm2-foreign': {
    message: 'The PM2 daemon in "{home}" runs as user {owner}, not as "{user}" ({uid}).',
    remedy: `Log in as the user that PM2 runs as, or give "{user}" a \`PM2_HOME\` of its own. ${SEE_CHECK}`,
    cause: 'PM2 was once started with `sudo`.',
  },
  'pm2-failed': {
    message: 'PM2 refused "{request}": {problem}.',
    remedy: 'Read `~/.pm2/pm2.log` on the server, and check that `pm2 list` answers there.',
    cause: 'A daemon of another version than the installed package: run `pm2 update` at a quiet time.',
  },
  'pm2-failed: refused': {
    message: 'PM2 did not start the workers: {problem}.',
    remedy: 'Read `~/.pm2/pm2.log` on the server, and check that `pm2 list` answers there.',
  },
  'pm2-failed: no answer': { message: 'The PM2 daemon did not answer.', remedy: ASK_PM2 },
  'pm2-failed: no list': {
    message: 'PM2 answered with something other than a list of its processes.',
    remedy: ASK_PM2,
  },
  'pm2-failed: nothing to save': { message: 'PM2 has no process to save.', remedy: ASK_PM2 },
  'pm2-failed: no daemon': { message: 'No running PM2 daemon was found in "{home}".', remedy: ASK_PM2 },
  'pm2-failed: died': { message: 'The PM2 daemon exited in the middle of a request.', remedy: ASK_PM2 },
  'pm2-failed: starting': {
    message: 'Another deploy is still starting the PM2 daemon in "{home}".',
    remedy: ASK_PM2,
  },
  'pm2-failed: second daemon': {
    message: 'Another PM2 daemon (process {daemon}) started at the same time.',
    remedy: 'Deploy again.',
  },
  'pm2-stranded': {
    message:
      'The PM2 daemon (process {daemon}) can start no worker: it runs from "{missing}", which was removed.',
    remedy: `Run \`kill -9 {daemon}\` on the server, then deploy again: the workers go on serving, and the deploy starts a new daemon. ${SEE_CHECK}`,
    cause: 'A version manager (nvm, fnm, volta) replaced a version, or PM2 was uninstalled.',
  },
  'pm2-stranded: shared': {
    message:
      'The PM2 daemon (process {daemon}) can start no worker: it runs from "{missing}", which was removed.',
    remedy: `Run \`pm2 update\` on the server, which restarts all apps of this user, then deploy again. ${SEE_CHECK}`,
  },
  'pm2-failed: daemon died': {
    message: 'PM2’s daemon died while the new workers started.',
    remedy: 'Deploy again. If it dies again, read `~/.pm2/pm2.log` on the server.',
    cause: 'The server ran out of memory, or somebody ran `pm2 kill` or `pm2 update`.',
  },
  'pm2-failed: stuck': {
    message: 'The PM2 daemon (process {daemon}) runs, but did not answer "{request}" within {limit}.',
    remedy:
      'Check whether `pm2 list` answers on the server. If it does not, run `kill -9 {daemon}`, which stops all apps of this user, then `pm2 resurrect`, and deploy again.',
  },
  'app-name-taken': {
    message: 'PM2 runs an app named "{name}", which Gapless deployed from "{folder}".',
    remedy: `Set another \`app-name\` for one of the two apps. If nobody needs the other app, run \`pm2 delete {name}\` on the server. ${SEE_CHECK}`,
    cause:
      'Staging and production of one repository on one server: without `app-name` both have the name in package.json.',
  },
  'path-taken': {
    message: 'PM2 runs the app "{other}" from "{path}", and this run is for "{app}".',
    remedy: `Set a \`path\` of its own for each app. If "{other}" is this app under its former name, set \`app-name: {other}\`. ${SEE_CHECK}`,
  },
  'path-taken: not ours': {
    message: 'PM2 runs the app "{other}" from "{path}", which this run would replace.',
    remedy: `Set another \`path\`. If this app is to replace "{other}", set \`app-name: {other}\`. ${SEE_CHECK}`,
  },
  'port-forbidden': {
    message: 'The user that logs in may not listen on port {port}.',
    remedy: `Set \`app-port\` to a port above 1023, behind a reverse proxy. ${SEE_CHECK}`,
  },
  'port-taken': {
    message: '{holder} already listens on "{address}".',
    remedy: `Stop that process, or set another \`app-port\`: \`ss -ltnp "sport = :{port}"\` shows it on the server. ${SEE_CHECK}`,
    cause: 'The app’s log says [EADDRINUSE](#eaddrinuse).',
  },
  'port-taken: daemon': {
    message: 'The PM2 daemon of "{home}" (process {pid}) already listens on "{address}".',
    remedy: `Set another \`app-port\`, or stop the app that this daemon runs there. ${SEE_CHECK}`,
  },
  'port-taken: app': {
    message: 'The app "{name}" in "{folder}" already listens on "{address}".',
    remedy: `Set another \`app-port\` for one of the two apps. If "{name}" is this app under its former name, set \`app-name: {name}\` and its \`path\`. If nobody needs it, run \`pm2 delete {name}\` on the server. ${SEE_CHECK}`,
  },
  'port-taken: no address': {
    message: '"{host}" is not an address of the server.',
    remedy: `Set \`app-host\` to an address that the server has: 127.0.0.1, 0.0.0.0 or ::. ${SEE_CHECK}`,
  },
  'port-taken: other host': {
    message: 'The app serves on "{from}", and cannot open "{to}" beside it.',
    remedy: `Change \`app-port\` together with \`app-host\`, and the proxy in front of the app. ${SEE_CHECK}`,
  },
  'address-differs': {
    message: 'The app listens on {now}, and the release would listen on "{next}".',
    remedy: `To move the app, set \`app-port: {nextPort}\` and point the proxy there. To keep its address, set \`app-port: {port}\` and \`app-host: {host}\`. ${SEE_CHECK}`,
    cause: '`next start` listens on all addresses; Gapless on 127.0.0.1 unless `app-host` is set.',
  },
} as const satisfies ErrorTexts

export const failure = failures(texts)
