/** Where Next.js would read the input `env` differently, were it a `.env` file: people paste one for the other. */
import { type Assignment, parseDotenv } from './dotenv.ts'

/** dotenv 16.3, as @next/env 14 to 16 has it. Tried where a line begins. */
const LINE =
  /\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?$/my

/** One sentence for each variable, without anything of its value. */
export function dotenvDoubts(text: string): readonly string[] {
  const { assignments } = parseDotenv(text)
  const next = readAsNext(text.replace(/^\uFEFF/, ''))
  return [...new Map(assignments.map((each) => [each.key, each])).values()]
    .filter(({ key, value }) => next.get(key) !== value)
    .map((each) => {
      const reason = reasonOf(each, next.get(each.key))
      return `Input \`env\`: in a .env file Next.js would read ${each.key} differently: ${reason}. ${adviceFor(each)}`
    })
}

/** The values; undefined for one that depends on other variables. */
function readAsNext(text: string): ReadonlyMap<string, string | undefined> {
  const lines = text.replace(/\r\n?/g, '\n')
  const found = new Map<string, string | undefined>()
  for (let at = 0; at < lines.length;) {
    LINE.lastIndex = at
    const [, key, given = ''] = LINE.exec(lines) ?? []
    let end = LINE.lastIndex
    if (key === undefined) {
      // What begins with the same blanks fails alike.
      const blanks = /\S/g
      blanks.lastIndex = at
      end = blanks.exec(lines) === null ? lines.length : blanks.lastIndex
    } else found.set(key, expanded(unquoted(given.trim())))
    const isLineStart = end > at && lines[end - 1] === '\n'
    const lineEnd = lines.indexOf('\n', end)
    at = isLineStart ? end : lineEnd < 0 ? lines.length : lineEnd + 1
  }
  return found
}

function unquoted(text: string): string {
  const bare = text.replace(/^(['"`])([\s\S]*)\1$/gm, '$2')
  return text.startsWith('"') ? bare.replace(/\\n/g, '\n').replace(/\\r/g, '\r') : bare
}

/** It looks at the last `$` that has no backslash: where no name follows that one, it leaves all of them. */
function expanded(text: string): string | undefined {
  const last = [...text.matchAll(/(?<!\\)\$/g)].at(-1)?.index
  if (last !== undefined && /^\$\{?\w/.test(text.slice(last))) return undefined
  return text.replaceAll('\\$', '$')
}

function reasonOf({ quote, value }: Assignment, next: string | undefined): string {
  if (next === undefined) return 'it replaces `$NAME` by the value of NAME, or does not see the variable'
  if (quote === '' && value.startsWith('`')) return 'it takes backticks for quotes'
  if (quote === '' && value.includes('#')) return 'it ends a value without quotes at `#`'
  if (value.includes('\\$')) return 'it reads `\\$` as `$`'
  if (quote === '"') return 'in double quotes it knows `\\n`, `\\r` and `\\$` alone'
  return 'it ends the quotes elsewhere'
}

const SPELLINGS: readonly (readonly [how: string, spell: (value: string) => string])[] = [
  ['single quotes', (value) => `'${value}'`],
  ['double quotes', (value) => `"${value}"`],
  ['double quotes, with `\\$` for each `$`', (value) => `"${value.replaceAll('$', '\\$')}"`],
  ['no quotes', (value) => value],
]

function adviceFor({ value }: Assignment): string {
  const same = SPELLINGS.find(([, spell]) => {
    const text = `A=${spell(value)}`
    const { values, problems } = parseDotenv(text)
    return problems.length === 0 && values['A'] === value && readAsNext(text).get('A') === value
  })
  return same === undefined
    ? 'No spelling means the same to both.'
    : `To mean the same to both, write its value in ${same[0]}.`
}
