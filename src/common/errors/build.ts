/** Reading, building and assembling the app on the runner. */
import { failures } from './raise.ts'
import { type ErrorTexts, SEE_CHECK } from './text.ts'

const ENDED = '`{command}` {ending} in "{directory}".'
const WRONG = 'Fix what the last log lines say, or set `{input}` if this is not the right command.'
const MISSING = 'Set up {program} in a step before this one, or set `{input}`.'
const MEMORY = 'Use a larger runner, or lower the memory that the build needs.'
const VARIABLES =
  'Put {names} into `env:` of this step, beside `with:`: the build does not see the input `env`.'

const SET_DIRECTORY = 'set `working-directory` to the folder of the Next.js app.'
const FOUND = 'Set `working-directory` to a folder with a Next.js app. Found: {apps}.'
const NO_NEXT = 'The package.json in "{given}" has no `next` in its dependencies.'
const NX_ROOT =
  'The package.json in "{given}" has the dependencies of an Nx repository, and the folder itself is no Next.js app.'
const DEV_ONLY =
  'The package.json in "{given}" has `next` in its devDependencies only, and the folder has no `app` or `pages` folder, no next.config and no script that runs `next`.'
const UNDER_WITH = 'under `with:` of the step with actions/checkout.'

export const texts = {
  'outside-workspace': {
    message: '`working-directory` is "{given}", which is outside the repository "{workspace}".',
    remedy:
      'Set `working-directory` to the folder of the Next.js app, relative to the root of the repository.',
  },
  'no-package-json': {
    message: 'There is no package.json in "{given}" (`working-directory`).',
    remedy: `Check out the repository before this step with actions/checkout, or ${SET_DIRECTORY}`,
  },
  'no-package-json: other apps': {
    message: 'There is no package.json in "{given}" (`working-directory`).',
    remedy: FOUND,
  },
  'no-package-json: submodule': {
    message: 'There is no package.json in "{given}" (`working-directory`), which is in an empty submodule.',
    remedy: `Set \`submodules: recursive\` ${UNDER_WITH}`,
  },
  'invalid-package-json': {
    message: '"{file}" is not a JSON object.',
    remedy: 'Correct the file: `npm pkg get name` in its folder shows where it is broken.',
  },
  'not-a-next-app': {
    message: NO_NEXT,
    remedy: `Add \`next\` to the dependencies, or ${SET_DIRECTORY}`,
  },
  'not-a-next-app: other apps': { message: NO_NEXT, remedy: FOUND },
  'not-a-next-app: development': {
    message: DEV_ONLY,
    remedy: `If the folder is an app, move \`next\` to the dependencies. Otherwise ${SET_DIRECTORY}`,
  },
  'not-a-next-app: development, other apps': { message: DEV_ONLY, remedy: FOUND },
  'not-a-next-app: Nx': {
    message: NX_ROOT,
    remedy: `Check that the app has a next.config, and ${SET_DIRECTORY}`,
  },
  'not-a-next-app: Nx, other apps': { message: NX_ROOT, remedy: FOUND },
  'next-unsupported': {
    message: 'The app uses Next.js "{range}", which Gapless cannot deploy.',
    remedy: 'Upgrade `next` to version 14 or later, and commit package.json and the lockfile.',
    cause: 'Gapless is tested with Next.js 14.2, 15.5 and 16.',
  },
  'next-vulnerable': {
    message: 'Next.js {version} has the critical hole {holes}.',
    remedy:
      'Upgrade `next` to {fixed} or later, and commit package.json and the lockfile. To deploy all the same, set `allow-vulnerable` to {ids}.',
    cause: '[Security](security.md#critical-holes-in-nextjs) lists the holes that Gapless refuses.',
  },
  'setup-failed': {
    message: 'Setup could not bring {what} to the server: {problem}.',
    remedy: '{remedy}',
    cause: 'Setup can be run again at any time: it begins where it stopped.',
  },
  'setup-failed: fetch': {
    message: '`{command}` failed on the runner.',
    remedy: 'Check `node-version` and the npm configuration of the runner, then run setup again.',
  },
  'setup-failed: hash': {
    message: 'The package "{name}" is not what the registry says: its hash differs.',
    remedy: 'Check the registry or the mirror in the npm configuration, then run setup again.',
  },
  'custom-server': {
    message: '{origin} (`{command}`) runs a custom server, "{server}".',
    remedy:
      'Move what the server does to route handlers, rewrites, proxy (middleware) or instrumentation. If production does not need the server, let the command run `next start`.',
    cause:
      'Next.js leaves a custom server out of standalone output. [Projects](projects.md#custom-servers) says which command counts.',
  },
  'no-lockfile': {
    message: 'There is no lockfile ({names}) in "{directory}" or in a folder above it.',
    remedy: 'Run `{manager} install` and commit the lockfile, or set `install-command`.',
    cause: 'Without a lockfile the build would not use the versions that you tested.',
  },
  'package-manager-unclear': {
    message: '"{folder}" has the lockfiles of different package managers: {names}.',
    remedy:
      'Delete the lockfile that is left over, name the package manager in `packageManager` of package.json, or set `install-command`.',
  },
  'unsupported-package-manager': {
    message: 'The app uses the package manager "{manager}" ({file}), which Gapless does not know.',
    remedy: 'Set `install-command` and `build-command`.',
    cause: 'Gapless knows npm, pnpm, Yarn and bun.',
  },
  'plug-n-play': {
    message: "The app is installed with Yarn's Plug'n'Play ({sign}).",
    remedy: 'Set `nodeLinker: node-modules` in .yarnrc.yml, run `yarn install`, and commit both files.',
    cause: "Next.js copies the files of a release out of node_modules, which Plug'n'Play does not have.",
  },
  'install-failed': { message: ENDED, remedy: WRONG },
  'install-failed: no program': { message: ENDED, remedy: MISSING },
  'install-failed: killed': { message: ENDED, remedy: MEMORY },
  'install-failed: missing variables': { message: ENDED, remedy: VARIABLES },
  'build-failed': { message: ENDED, remedy: WRONG },
  'build-failed: no program': { message: ENDED, remedy: MISSING },
  'build-failed: killed': { message: ENDED, remedy: MEMORY },
  'build-failed: missing variables': { message: ENDED, remedy: VARIABLES },
  'build-failed: no standalone': {
    message: 'The build has no standalone server: "{path}" is missing.',
    remedy:
      "Set `output: 'standalone'` in the Next.js configuration, or let the build see `NEXT_PRIVATE_STANDALONE=true`: Turborepo hides the variable unless turbo.json lists it in `env`.",
    cause:
      'Next.js logs this as [Could not find a production build](#error-could-not-find-a-production-build-in-the-next-directory).',
  },
  'build-failed: distDir': {
    message: 'The build has its `distDir` outside of the standalone server: "{distDir}".',
    remedy:
      'Set `outputFileTracingRoot` in the Next.js configuration to the root of the repository, or set `distDir` to a folder of the app.',
  },
  'build-failed: incomplete': {
    message: 'The build is incomplete: "{path}" is missing.',
    remedy:
      'Build again. If the build comes from another job, copy its whole `distDir`, hidden files included.',
  },
  'no-build-output': {
    message: 'There is no finished Next.js build of "{directory}".',
    remedy:
      'Remove `build-command: none`, or build the app in a step before this one. A `build-command` of your own must run `next build`.',
  },
  'output-export': {
    message: "The app is built with `output: 'export'`.",
    remedy:
      'Remove `output` from the Next.js configuration, or serve the exported folder with a web server such as nginx.',
    cause: 'A static export has no server for PM2 to run.',
  },
  'foreign-build': {
    message: 'The build in "{directory}" is of "{built}", and the app there is "{app}".',
    remedy: 'Build "{app}" in this folder, or set `working-directory` to the folder of "{built}".',
  },
  'checkout-incomplete': {
    message: '{paths} is a Git LFS pointer, not the file itself.',
    remedy: `Set \`lfs: true\` ${UNDER_WITH}`,
  },
  'checkout-incomplete: submodule': {
    message: 'The submodule {paths} is empty.',
    remedy: `Set \`submodules: recursive\` ${UNDER_WITH}`,
  },
  'release-unfit': {
    message: 'The release does not fit the server: {problem}.',
    remedy: `{remedy} ${SEE_CHECK}`,
    cause:
      'A native module was built for another system, or `engines.node` excludes the Node.js of the server. The remedy depends on which; the evidence lists all.',
  },
  'file-name': {
    message: 'The name {name} in "{folder}" is not valid UTF-8.',
    remedy: 'Rename the file.',
  },
  'symlink-escapes': {
    message: '"{path}" is a symbolic link to "{target}", which leaves the release.',
    remedy:
      'If the link leads to data on the server, name its path in `shared-dirs` (a file: `shared-files`), and link `<path>/shared/…` on the server to the data. Otherwise commit the content itself.',
  },
  'unsupported-file': {
    message: '"{path}" is neither a file, a folder nor a symbolic link.',
    remedy: 'Remove the socket, pipe or device, or keep it out of the build.',
  },
} as const satisfies ErrorTexts

export const failure = failures(texts)
