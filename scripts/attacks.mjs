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

const surfaces = [...new Set(rows.map(({ surface }) => surface))].sort((a, b) => a.localeCompare(b, 'en'))
const sum = (surface, member) =>
  rows.filter((row) => row.surface === surface).reduce((total, row) => total + row[member], 0)
const table = [
  '| What is attacked | Inputs tried | Got through |',
  '| --- | --- | --- |',
  ...surfaces.map(
    (each) => `| ${each} | ${sum(each, 'tried').toLocaleString('en')} | ${sum(each, 'through')} |`,
  ),
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
