/**
 * The names and commands that our own texts put in backticks. A message may quote a server, an app or a committer, so that
 * backticks alone prove nothing: only these are shown as code. A test compares them with the texts in `src`.
 */

/** Names that may be followed by a value: `app-port: 3001`. */
const NAMES =
  'app-host|app-name|app-port|batch|bin-path|build-command|candidate-check|command|connect-timeout|drain-timeout|dry-run|' +
  'env|fetch-depth|fingerprint|health-check-body|health-check-host|health-check-interval|health-check-path|' +
  'health-check-status|health-check-timeout|health-check-url|host|install-command|instances|keep-releases|key|known-hosts|' +
  'lfs|lock-timeout|max-memory|max-parallel|node-options|node-version|nodeLinker|observe|passphrase|password|path|port|' +
  'post-activate|pre-activate|proxy-fingerprint|proxy-host|proxy-key|proxy-passphrase|proxy-password|proxy-port|' +
  'proxy-username|release|runs-on|shared-dirs|shared-files|submodules|username|working-directory'

/** Names that stand alone. */
const WORDS =
  'app|pages|current|Intl|distDir|engines\\.node|env:|with:|next|output|outputFileTracingRoot|packageManager|' +
  'supportedArchitectures|NODE_OPTIONS|GITHUB_OUTPUT|<path>/shared/…'

/** The first words of commands. */
const PROGRAMS =
  'PATH="[\\w./~-]+:\\$PATH" npm|~/\\.local/share/fnm/fnm|bun|chmod|chown|curl|kill|ls|next|npm|npx|pm2|pnpm|rm|ss|ssh|' +
  'ssh-keygen|ssh-keyscan|sudo|yarn'

export const CODE_SPAN = new RegExp(
  `\`((?:${NAMES})(?:: ?[\\w.:/@~-]{1,100})?|${WORDS}|(?:${PROGRAMS})(?: [\\w.:/@~<>*"'|=+,$ -]{1,200})?)\``,
  'g',
)
