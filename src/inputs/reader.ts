import { Failure } from '../common/failure.ts'
import type { Given, Parse } from './row.ts'
import { type InputName, table, type Values } from './table.ts'
import { Unusable } from './unusable.ts'

interface Problem {
  readonly code: string
  readonly message: string
  readonly remedy: string
}

const seeInputs = 'Correct the input in the workflow. The README lists what each input accepts.'

const emptySecret =
  'If the value comes from a secret, check that the secret exists and that its name is spelled correctly. ' +
  'Workflow runs from forks and from Dependabot get empty secrets.'

/** Longer values are not shown: the runner does not mask a part of a secret. */
const showableLength = 100

/** What is wrong with the inputs, collected so that one run reports every mistake. */
export class Problems {
  /** By message: several inputs may lead to the same. */
  readonly #found = new Map<string, Problem>()

  /** @param fault continues "Input `name` …" */
  invalid(name: InputName, fault: string): void {
    this.#report('invalid-input', `Input \`${name}\` ${fault}.`, seeInputs)
  }

  missing(message: string, remedy: string): void {
    this.#report('missing-input', message, remedy)
  }

  /** @throws Failure with every problem: its own code when all agree on it, else `invalid-input` */
  assertNone(): void {
    const problems = [...this.#found.values()]
    const [first, ...others] = problems
    if (first === undefined) return
    const remedies = new Set(problems.map((problem) => problem.remedy))
    // Said once, however many inputs are missing: most often one cause emptied them all.
    if (problems.some((problem) => problem.code === 'missing-input')) remedies.add(emptySecret)
    const remedy = [...remedies].join(' ')
    if (others.length === 0) throw new Failure(first.code, first.message, { remedy })
    const code = others.every((other) => other.code === first.code) ? first.code : 'invalid-input'
    const lines = problems.map((problem) => `- ${problem.message}`)
    throw new Failure(code, `${lines.length} inputs cannot be used:\n${lines.join('\n')}`, { remedy })
  }

  #report(code: string, message: string, remedy: string): void {
    this.#found.set(message, this.#found.get(message) ?? { code, message, remedy })
  }
}

/** Reads inputs as a runner passes them (`INPUT_<NAME>`, hyphens kept). A blank input counts as not given. */
export function readTable(
  env: NodeJS.ProcessEnv,
  workspace: string,
  problems: Problems,
): { readonly values: Values; isGiven(name: InputName): boolean } {
  const names = Object.keys(table) as InputName[]
  const given = new Map(names.map((name) => [name, givenFor(name, env, workspace, problems)]))
  const values = names.map((name) => [name, table[name].read(given.get(name)!)])
  return {
    values: Object.fromEntries(values),
    isGiven: (name) => given.get(name)?.verbatim !== null,
  }
}

function givenFor(name: InputName, env: NodeJS.ProcessEnv, workspace: string, problems: Problems): Given {
  const raw = env[`INPUT_${name.toUpperCase()}`] ?? ''
  const verbatim = raw.trim() === '' ? null : raw
  return {
    verbatim,
    text: verbatim?.replaceAll('\r\n', '\n').trim() ?? null,
    secret: raw.replace(/^[\r\n]+|(?<![\r\n])[\r\n]+$/g, '') || null,
    parsed<T>(text: string, parse: Parse<T>, verb = 'is') {
      try {
        return parse(text, workspace)
      } catch (error) {
        if (!(error instanceof Unusable)) throw error
        // A key pasted into the wrong input would otherwise be shown line by line.
        const showable = error.showable && !raw.includes('PRIVATE KEY')
        problems.invalid(name, `must be ${error.message}${showable ? shown(text, verb) : notShown}`)
        return null
      }
    },
  }
}

const notShown = '; the value is not shown, because it may contain a secret'

/** In JSON, which keeps line breaks out of the log, where a line may be a command to the runner. */
function shown(text: string, verb: string): string {
  if (text.length > showableLength)
    return `; the value is not shown, because it has ${text.length} characters`
  return `, but ${verb} ${JSON.stringify(text)}`
}
