/** Runs all attacks and writes their table into docs/security.md, between its markers. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = mkdtempSync(join(tmpdir(), 'gapless-attacks-'))
const file = join(folder, 'attacks.jsonl')
const { status } = spawnSync(
  process.execPath,
  [
    join(root, 'scripts', 'test.mjs'),
    '--testTimeout',
    '600000',
    '__tests__/attacks',
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, GAPLESS_ATTACKS: file } },
)
const rows = existsSync(file)
  ? readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  : []
rmSync(folder, { recursive: true, force: true })

// One row for each area: `Inputs: hosts` and `Inputs: sizes` are one.
const areas = new Map()
for (const { surface, tried, through } of rows.toSorted((a, b) => a.surface.localeCompare(b.surface, 'en'))) {
  const [area, what = ''] = surface.split(': ')
  const sums = areas.get(area) ?? { whats: new Set(), tried: 0, through: 0 }
  areas.set(area, { whats: sums.whats.add(what), tried: sums.tried + tried, through: sums.through + through })
}
const table = [
  '| What is attacked | Inputs tried | Got through |',
  '| --- | --- | --- |',
  ...[...areas].map(([area, { whats, tried, through }]) => {
    const what = [...whats].filter(Boolean).join('; ')
    return `| ${what === '' ? area : `${area}: ${what}`} | ${tried.toLocaleString('en')} | ${through} |`
  }),
].join('\n')
console.log(`\n${table}\n`)

if (status === 0) {
  const docs = join(root, 'docs', 'security.md')
  const markers = /(<!-- prettier-ignore-start -->\n)[^]*(\n<!-- prettier-ignore-end -->)/
  writeFileSync(
    docs,
    readFileSync(docs, 'utf8').replace(markers, (_, start, end) => `${start}\n${table}\n${end}`),
  )
}
process.exit(status ?? 1)
