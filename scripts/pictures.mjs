/**
 * Renders the job summaries of real runs to pictures, as GitHub shows them: light and dark, on a phone and on a desk.
 *
 *   npm run pictures [FOLDER]       all that are recorded in docs/pictures/runs, to FOLDER (default: build/pictures)
 *   npm run pictures -- --readme    the two of the docs to docs/pictures
 *   npm run pictures -- --record    records them anew: real deploys, on this machine; as root
 *
 * It needs Debian's chromium, and no network.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { record } from './pictures/record.ts'
import { summaryPage } from './summary-page.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const pictures = join(root, 'docs', 'pictures')
const runs = join(pictures, 'runs')
/** As wide as GitHub's app shows a summary on a phone, and its page beside the list of jobs on a desk. */
const [PHONE, DESK] = [430, 900]
const README = [
  ['success', 'light', PHONE],
  ['kept', 'dark', PHONE],
]

const [target = join('build', 'pictures')] = process.argv.slice(2)
if (target === '--record') await record(runs)
else await drawAll(target === '--readme')

async function drawAll(forReadme) {
  const folder = forReadme ? pictures : target
  mkdirSync(folder, { recursive: true })
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  const names = readdirSync(runs).map((file) => basename(file, '.md'))
  const all = names.flatMap((name) => [
    [name, 'light', DESK],
    [name, 'dark', PHONE],
  ])
  try {
    for (const [name, theme, width] of forReadme ? README : all) {
      const file = forReadme ? `${name}.png` : `${name}-${theme}-${width}.png`
      await draw(browser, { name, theme, width, path: join(folder, file) })
    }
  } finally {
    await browser.close()
  }
}

async function draw(browser, { name, theme, width, path }) {
  const page = await browser.newPage({ viewport: { width, height: 400 }, colorScheme: theme })
  const markdown = readFileSync(join(runs, `${name}.md`), 'utf8')
  await page.setContent(summaryPage(name, [markdown]))
  await page.waitForSelector('body[data-drawn]')
  await page.screenshot({ path, fullPage: true })
  await page.close()
  console.log(path)
}
