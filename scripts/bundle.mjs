/**
 * Builds dist/: tsc turns src/ into JavaScript, ncc makes one file of each program. (ncc cannot drive
 * TypeScript 7 itself.) The result is CommonJS, readable, and the same bytes on every machine. Beside each program that
 * holds packages of others stand their licences, which MIT and BSD ask for.
 *
 *   node scripts/bundle.mjs           writes dist/
 *   node scripts/bundle.mjs --check   fails when dist/ is not what the source builds
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = (name) => join(root, 'node_modules', '.bin', name)
const programs = { index: 'main.js', agent: 'agent/index.js', launcher: 'worker/index.js' }
/** GitHub starts a step's main and post by two files. Both lead into the one bundle. */
const entries = ['main', 'post']

const LICENCES = 'licenses.txt'

const build = join(root, 'build')
rmSync(build, { recursive: true, force: true })
execFileSync(bin('tsc'), ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
// ncc writes CommonJS for a package that is not declared a module, and takes ES modules as input either way.
writeFileSync(join(build, 'package.json'), '{}\n')

const files = Object.entries(programs).flatMap(([name, entry]) => {
  const out = mkdtempSync(join(build, `${name}-`))
  execFileSync(
    bin('ncc'),
    [
      'build',
      join(build, entry),
      '--out',
      out,
      '--quiet',
      '--no-cache',
      '--target',
      'es2022',
      '--license',
      LICENCES,
    ],
    {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  const code = readFileSync(join(out, 'index.js'), 'utf8')
  if (code.includes(root)) throw new Error(`dist/${name} would name a folder of this machine`)
  const licences = readIfThere(join(out, LICENCES))
  return [
    { file: join(root, 'dist', `${name}.cjs`), content: code },
    ...(licences === undefined ? [] : [{ file: join(root, 'dist', LICENCES), content: licences }]),
  ]
})

for (const entry of entries) {
  const content = `'use strict'\nvoid require('./index.cjs').${entry}()\n`
  files.push({ file: join(root, 'dist', `${entry}.cjs`), content })
}

if (process.argv.includes('--check')) {
  const stale = files.filter(({ file, content }) => readIfThere(file) !== content)
  for (const { file } of stale) console.error(`${file} is not what the source builds: run npm run bundle`)
  const extra = readdirSync(join(root, 'dist'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !files.some(({ file }) => file === path))
  for (const path of extra) console.error(`${path} is not built from the source`)
  process.exit(stale.length + extra.length > 0 ? 1 : 0)
}

rmSync(join(root, 'dist'), { recursive: true, force: true })
for (const { file, content } of files) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
