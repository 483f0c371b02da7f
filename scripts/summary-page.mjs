/** Job summaries as an HTML page that needs no other file: as GitHub shows them, in the light or in the dark. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { marked } from 'marked'

const scripts = dirname(fileURLToPath(import.meta.url))
const style = readFileSync(join(scripts, 'summary-page.css'), 'utf8')
const mermaid = readFileSync(
  join(scripts, '..', 'node_modules', 'mermaid', 'dist', 'mermaid.min.js'),
  'utf8',
).replaceAll('</script', String.raw`<\/script`)

/** Sets `data-drawn` on the body once every diagram is drawn. */
const draw = `
  for (const code of document.querySelectorAll('code.language-mermaid')) {
    const block = document.createElement('div')
    block.className = 'mermaid'
    block.textContent = code.textContent
    code.parentElement.replaceWith(block)
  }
  const dark = matchMedia('(prefers-color-scheme: dark)').matches
  mermaid.initialize({ startOnLoad: false, theme: dark ? 'dark' : 'default' })
  mermaid.run().finally(() => { document.body.dataset.drawn = 'true' })
`

/**
 * @param {string} title plain text
 * @param {readonly string[]} summaries Markdown, as in GITHUB_STEP_SUMMARY
 * @returns {string} the page
 */
export function summaryPage(title, summaries) {
  const sections = summaries.map(
    (markdown) => `<main>${marked.parse(markdown, { gfm: true, async: false })}</main>`,
  )
  return [
    '<!doctype html><html lang="en"><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    `<title>${title.replace(/[&<]/g, (sign) => `&#${sign.charCodeAt(0)};`)}</title>`,
    `<style>${style}</style><body>`,
    ...sections,
    `<script>${mermaid}</script><script>${draw}</script></body></html>`,
  ].join('\n')
}
