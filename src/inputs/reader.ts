import { failure, ifSecret } from '../common/errors/inputs.ts'
import type { Failure } from '../common/failure.ts'
import type { Given, Parse } from './row.ts'
import { type InputName, table, type Values } from './table.ts'
import { Unusable } from './unusable.ts'

/** Longer values are not shown: the runner does not mask a part of a secret. */
const showableLength = 100

/** What is wrong with the inputs, collected so that one run reports every mistake. */
export class Problems {
  /** By message: several inputs may lead to the same. */
  readonly #found = new Map<string, Failure>()

  add(problem: Failure): void {
    if (!this.#found.has(problem.message)) this.#found.set(problem.message, problem)
  }

  /** @throws Failure with every problem: its own code when all agree on it, else `invalid-input` */
  assertNone(): void {
    const problems = [...this.#found.values()]
    const [first, ...others] = problems
    if (first === undefined) return
    const remedies = new Set(problems.map((problem) => problem.remedy))
    // Said once, however many inputs are missing: most often one cause emptied them all.
    if (problems.some(({ code }) => code === 'missing-input')) remedies.add(ifSecret)
    const remedy = [...remedies].join(' ')
    if (others.length === 0) throw first.reworded(first.message, { remedy })
    const missing = problems.every(({ code }) => code === 'missing-input')
    const list = problems.map(({ message }) => `\n- ${message}`).join('')
    throw failure(missing ? 'missing-input: several' : 'invalid-input: several', {
      count: problems.length,
      list,
      remedy,
    })
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
  return { values: Object.fromEntries(values), isGiven: (name) => given.get(name)?.verbatim !== null }
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
        problems.add(invalid({ input: name, accepted: error.message }, showable ? text : null, verb))
        return null
      }
    },
  }
}

/** @param given null where it may be a secret */
function invalid(
  values: { readonly input: InputName; readonly accepted: string },
  given: string | null,
  verb: string,
): Failure {
  if (given === null) return failure('invalid-input: not shown', values)
  return given.length > showableLength
    ? failure('invalid-input: too long to show', { ...values, length: given.length })
    : failure('invalid-input', { ...values, verb, given })
}
