/**
 * Renders job summaries to pictures, as GitHub shows them: light and dark, on a phone and on a desk.
 *
 *   npm run pictures [FOLDER]       all kinds of outcome to FOLDER (default: build/pictures)
 *   npm run pictures -- --readme    the two of the README to docs/pictures
 *
 * It needs Debian's chromium, and no network.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { marked } from 'marked'
import { chromium } from 'playwright-core'
import { renderSummary } from '../src/report/summary.ts'
import { reports } from './pictures/reports.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const style = readFileSync(join(root, 'scripts', 'pictures', 'style.css'), 'utf8')
const mermaid = join(root, 'node_modules', 'mermaid', 'dist', 'mermaid.min.js')
const [target = join('build', 'pictures')] = process.argv.slice(2)
const README = [
  ['success', 'light', 900],
  ['kept', 'dark', 900],
]

const forReadme = target === '--readme'
const folder = forReadme ? join(root, 'docs', 'pictures') : target
mkdirSync(folder, { recursive: true })
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
try {
  const wanted = forReadme
    ? README
    : Object.keys(reports).flatMap((name) => [
        [name, 'light', 900],
        [name, 'dark', 380],
      ])
  for (const [name, theme, width] of wanted) await draw(name, theme, width)
} finally {
  await browser.close()
}

async function draw(name, theme, width) {
  const page = await browser.newPage({ viewport: { width, height: 400 }, colorScheme: theme })
  const html = marked.parse(renderSummary(reports[name]), { gfm: true, async: false })
  await page.setContent(`<!doctype html><style>${style}</style><main>${html}</main>`)
  await page.addScriptTag({ path: mermaid })
  await page.evaluate(async (dark) => {
    for (const code of document.querySelectorAll('code.language-mermaid')) {
      const block = document.createElement('div')
      block.className = 'mermaid'
      block.textContent = code.textContent
      code.parentElement.replaceWith(block)
    }
    globalThis.mermaid.initialize({ startOnLoad: false, theme: dark ? 'dark' : 'default' })
    await globalThis.mermaid.run()
  }, theme === 'dark')
  const path = join(folder, forReadme ? `${name}.png` : `${name}-${theme}-${width}.png`)
  await page.screenshot({ path, fullPage: true })
  await page.close()
  console.log(path)
}
