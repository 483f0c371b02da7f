/** Variables of the input `env`, which the app has at run time and the build does not. */
import { isSetInEnvFiles } from './env-files.ts'

export interface Sight {
  /** The names in the input `env`. */
  readonly runTimeVariables: readonly string[]
  /** The app's folder, whose `.env` files the build reads. */
  readonly directory: string
  readonly environment: NodeJS.ProcessEnv
}

/** Returns the variables that a command complained about and did not have. @param output of the command */
export function missedVariables(sight: Sight, output: string): readonly string[] {
  return unseen(sight).filter((name) => new RegExp(`(?<![\\w])${name}(?![\\w])`).test(output))
}

/** Returns the variables that only the build could put into what browsers load. */
export function unseenPublicVariables(sight: Sight): readonly string[] {
  return unseen(sight).filter((name) => name.startsWith('NEXT_PUBLIC_'))
}

function unseen({ runTimeVariables, directory, environment }: Sight): readonly string[] {
  // A secret that does not exist leaves an empty value.
  return runTimeVariables.filter((name) => !environment[name] && !isSetInEnvFiles(directory, name))
}

/** @param names at least one */
export function putIntoStep(names: readonly string[]): string {
  const [listed, verb, them] =
    names.length === 1
      ? [`\`${names[0]}\``, 'is', 'it']
      : [names.map((name) => `\`${name}\``).join(', '), 'are', 'them']
  return `${listed} ${verb} in the input \`env\`, which the build does not see: put ${them} into \`env:\` of this step, beside \`with:\`.`
}
