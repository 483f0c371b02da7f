/** What the runner and the server say to each other. */
import { failures } from './raise.ts'
import { type ErrorTexts, SEE_CHECK } from './text.ts'

const REPORT = 'Deploy again. If it fails again, open an issue with the summary of the run.'

export const texts = {
  'malformed-message': {
    message: 'A message or a file on the server is malformed: {problem}.',
    remedy: REPORT,
    cause: 'A file in `<path>/.gapless` or `releases/<id>/.gapless` was edited, or cut by a full disk.',
  },
  'message-too-large': {
    message: 'A message between the runner and the server has {size}, and {limit} are allowed.',
    remedy: 'Shorten `env`. If `env` is short, open an issue with the summary of the run.',
  },
  'connection-lost': {
    message: 'The connection between the runner and the server ended in the middle of a message.',
    remedy: 'Check the network and whether the server restarted, then deploy again.',
  },
  'unsafe-path': {
    message: 'The manifest has a path outside the release: "{path}".',
    remedy: REPORT,
  },
  'unsafe-path: link': {
    message: 'The link "{path}" leaves the release: "{target}".',
    remedy: REPORT,
  },
  'unsafe-path: below link': {
    message: 'The manifest has a path below a link: "{path}".',
    remedy: REPORT,
  },
  'node-missing': {
    message: 'Node.js 18 or later was not found on the server.',
    remedy: `Run \`command: setup\`, or as the user that logs in, without sudo, \`curl -fsSL https://fnm.vercel.app/install | bash\`, then \`~/.local/share/fnm/fnm install 24\`. If Node.js is installed, name its folder in \`bin-path\`. ${SEE_CHECK}`,
  },
  'pm2-missing': {
    message: 'PM2 was not found on the server.',
    remedy: `Run \`command: setup\`, or as the user that logs in, without sudo, \`PATH="{nodeFolder}:$PATH" npm install --global --prefix ~/.local pm2\`. If PM2 is installed, name its folder in \`bin-path\`. ${SEE_CHECK}`,
    cause: 'A shell says [pm2: command not found](#pm2-command-not-found).',
  },
} as const satisfies ErrorTexts

export const failure = failures(texts)
