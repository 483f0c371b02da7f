/** Every relative link in the Markdown files leads to a file that is there, and to a heading of it. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from '@jest/globals'

const root = join(import.meta.dirname, '..')
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: root,
  encoding: 'utf8',
})
  .trim()
  .split('\n')

/** As GitHub makes them of headings (lower case, without punctuation, dashes for spaces), and those that are written out. */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const headings = withoutCode(markdown).matchAll(/^#+ (.+)$/gm)
  const written = markdown.matchAll(/<a id="([^"]+)"><\/a>/g)
  return new Set([
    ...[...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
    ...[...written].map(([, id = '']) => id),
  ])
}

function withoutCode(markdown: string): string {
  return markdown.replace(/^```[^]*?^```$/gm, '')
}

function deadLinks(file: string): readonly string[] {
  const links = withoutCode(readFileSync(join(root, file), 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)
  return [...links]
    .map(([, link = '']) => link)
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      // From a file at the top GitHub leads this to the repository's own Actions tab, wherever it stands.
      const workflow = /^\.\.\/\.\.\/actions\/workflows\/([\w.-]+)(\/badge\.svg\?branch=main)?$/.exec(
        link,
      )?.[1]
      if (workflow !== undefined) return !existsSync(join(root, '.github', 'workflows', workflow))
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? join(root, file) : join(root, dirname(file), path)
      if (!existsSync(target)) return true
      return anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).has(anchor)
    })
}

test.each(files)('%s has no dead link', (file) => {
  expect(deadLinks(file)).toEqual([])
})

test('the figures of the README are those of docs/reliability.md', () => {
  const read = (file: string) => readFileSync(join(root, file), 'utf8')
  const measured = /^## Measured\n([^]*?)^## /m.exec(read('README.md'))?.[1] ?? ''
  const figures = [...measured.matchAll(/\d[\d.,]*\d(?: KB)?/g)].map(([figure]) => figure)
  const tested = read('docs/reliability.md')
  expect(figures).toEqual(['100', '2,112,393', '60', '38.7 KB', '323 KB'])
  expect(figures.filter((figure) => !tested.includes(figure))).toEqual([])
})

test('there are files to look at', () => {
  expect(files).toContain('README.md')
  expect(files).toContain('docs/how-it-works.md')
})
