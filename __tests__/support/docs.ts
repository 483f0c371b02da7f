/** What the documents tell people to use is what the tests use. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The code block in a language.
 * @param after where there are more: the line that it follows
 * @throws where the document has none
 */
export function codeOf(document: string, language: string, after?: string): string {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', document), 'utf8')
  const from = after === undefined ? 0 : text.indexOf(`\n${after}\n`)
  const code = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'm').exec(text.slice(from))?.[1]
  if (from < 0 || code === undefined) throw new Error(`docs/${document} has no such block of ${language}`)
  return code
}
