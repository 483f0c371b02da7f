import { Failure } from '../common/failure.ts'
import { type DefaultedInputName, defaults, type InputName } from './defaults.ts'
import { Unusable } from './unusable.ts'

/** Turns the text of an input into its value, or throws Unusable. */
type Parse<T> = (text: string) => T

interface Problem {
  readonly code: string
  readonly message: string
  readonly remedy: string
}

const seeInputs = 'Correct the input in the workflow; the README lists what each one accepts.'

const emptySecret =
  'If it comes from a secret, check that the secret exists and is spelled alike: ' +
  'a workflow run from a fork, or by Dependabot, gets empty secrets.'

/** Longer values are not shown: a cut secret would escape the runner's masking. */
const showableLength = 100

/**
 * Reads inputs as a runner passes them (`INPUT_<NAME>`, hyphens kept) and collects what is wrong with them, so
 * that one run reports every mistake. An input that is blank counts as not given.
 */
export class InputReader {
  readonly #env: NodeJS.ProcessEnv
  /** By message: several inputs may lead to the same. */
  readonly #problems = new Map<string, Problem>()

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env
  }

  /** The text as it was given, undefined when it is blank. */
  verbatim(name: InputName): string | undefined {
    const text = this.#env[`INPUT_${name.toUpperCase()}`] ?? ''
    return text.trim() === '' ? undefined : text
  }

  /** Trimmed, its lines ended by \n alone: text from a form or from Windows has \r\n, and `sh` would run `a\r`. */
  text(name: InputName): string | undefined {
    return this.verbatim(name)?.replaceAll('\r\n', '\n').trim()
  }

  /** A password or passphrase: spaces belong to it, the line end of a pasted secret does not. */
  password(name: InputName): string | undefined {
    const text = this.#env[`INPUT_${name.toUpperCase()}`]?.replace(/^[\r\n]+|(?<![\r\n])[\r\n]+$/g, '')
    return text === '' ? undefined : text
  }

  /** The value given, or the default. After a problem it is the default, only so that reading can go on. */
  value<T>(name: DefaultedInputName, parse: Parse<T>): T {
    return this.optional(name, parse) ?? parse(defaults[name])
  }

  optional<T>(name: InputName, parse: Parse<T>): T | undefined {
    const text = this.text(name)
    return text === undefined ? undefined : this.#attempt(name, text, parse)
  }

  /** Items, at least one when anything is given, between what `separator` matches. */
  list<T>(name: InputName, parse: Parse<T>, separator: RegExp): readonly T[] {
    const text = this.text(name)
    if (text === undefined) return []
    const items = text
      .split(separator)
      .map((item) => item.trim())
      .filter((item) => item !== '')
    if (items.length === 0) this.invalid(name, `is ${show(text)}: expected a value between the separators`)
    return items.map((item) => this.#attempt(name, item, parse)).filter((item) => item !== undefined)
  }

  invalid(name: InputName, what: string, remedy = seeInputs): void {
    this.report('invalid-input', `Input \`${name}\` ${what}`, remedy)
  }

  missing(message: string, remedy: string): void {
    this.report('missing-input', message, remedy)
  }

  report(code: string, message: string, remedy: string): void {
    this.#problems.set(message, this.#problems.get(message) ?? { code, message, remedy })
  }

  /** @throws Failure with every problem found: its own code when all agree on it, else `invalid-input` */
  finish(): void {
    const problems = [...this.#problems.values()]
    const [first, ...others] = problems
    if (first === undefined) return
    const remedies = new Set(problems.map((problem) => problem.remedy))
    // Said once, however many inputs are missing: most often one cause emptied them all.
    if (problems.some((problem) => problem.code === 'missing-input')) remedies.add(emptySecret)
    const remedy = [...remedies].join(' ')
    if (others.length === 0) throw new Failure(first.code, first.message, { remedy })
    const code = others.every((other) => other.code === first.code) ? first.code : 'invalid-input'
    const lines = problems.map((problem) => `- ${problem.message}`)
    throw new Failure(code, `${lines.length} problems with the inputs:\n${lines.join('\n')}`, { remedy })
  }

  #attempt<T>(name: InputName, text: string, parse: Parse<T>): T | undefined {
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof Unusable)) throw error
      // A key pasted into the wrong input would otherwise be shown line by line.
      const showable = error.showable && !/PRIVATE KEY/.test(this.text(name) ?? '')
      const given = showable ? `is ${show(text)}` : 'is unusable (not shown, as it may hold a secret)'
      this.invalid(name, `${given}: expected ${error.message}`)
      return undefined
    }
  }
}

function show(text: string): string {
  return text.length > showableLength ? `${text.length} characters long, not shown` : JSON.stringify(text) // keeps line breaks out of the log, where a line may be a command to the runner
}
