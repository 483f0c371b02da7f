import { failure } from '../common/errors/inputs.ts'
import { Unusable } from './unusable.ts'

/** PM2 7.0.4 takes a name with one of these in it for an ecosystem file (`Common.isConfigFile`). */
const ecosystemFile = /\.(?:json|ya?ml|config\.[cm]?js)/

/**
 * PM2's name for an app, from `app-name` or from the `name` in package.json: `@acme/web` gives `web`, since the name is
 * also a folder's and part of the names of log files. What PM2's commands read as something else is refused.
 */
export function appName(text: string): string {
  const name = /^@[a-z0-9_.~-]+\/(.+)$/i.exec(text)?.[1] ?? text
  const named = /^[a-z0-9_~][a-z0-9_.~-]*$/i.test(name) && name.length <= 100
  if (!named || name === 'all' || !Number.isNaN(Number(name)) || ecosystemFile.test(name)) {
    throw new Unusable(
      'a name such as web or @acme/web, of at most 100 letters, digits, - _ . and ~, ' +
        'and not "all", a number or the name of a configuration file',
    )
  }
  return name
}

/**
 * The app's name where `app-name` is not given.
 * @throws Failure `missing-input` when package.json has none, or none that PM2 could use
 */
export function appNameFromPackage(packageName: string | undefined): string {
  if (packageName === undefined || packageName === '') throw failure('missing-input: app name')
  try {
    return appName(packageName)
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    throw failure('missing-input: unusable app name', { given: packageName, accepted: error.message })
  }
}
