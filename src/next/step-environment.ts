/** What the user's own commands see of this process's environment. */

/** This action's inputs, its state for `post`, and the tokens that the runner gives to actions. */
const WITHHELD = ['INPUT_', 'STATE_', 'ACTIONS_']

/** Files in which the action reports its result, and files that change later steps. */
const WITHHELD_FILES = new Set([
  'GITHUB_OUTPUT',
  'GITHUB_STATE',
  'GITHUB_STEP_SUMMARY',
  'GITHUB_ENV',
  'GITHUB_PATH',
])

/** The environment without the action's own secrets: the SSH key is in INPUT_KEY. Default: this process's. */
export function stepEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const allowed = Object.entries(environment).filter(
    ([name]) => !WITHHELD_FILES.has(name) && !WITHHELD.some((prefix) => name.startsWith(prefix)),
  )
  // corepack would ask before it downloads, and nobody could answer.
  return { COREPACK_ENABLE_DOWNLOAD_PROMPT: '0', ...Object.fromEntries(allowed) }
}
