import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { kinds } from './support/kinds.ts'
import { toolVersion } from './support/package-managers.ts'
import type { Kind } from './support/projects.ts'

const text = readFileSync(join(import.meta.dirname, '..', 'docs', 'projects.md'), 'utf8')

function row({ next, bundler, router, packageManager, ...kind }: Kind): readonly string[] {
  const { src, workspace, config = {}, packageJson = {}, native, extras, corepack } = kind
  const settings = Object.entries(config).map(([name, value]) =>
    typeof value === 'string' ? `\`${name}: ${value}\`` : name,
  )
  const features = [
    ...(src === true ? ['`src/`'] : []),
    ...(workspace === true ? ['workspace'] : []),
    ...settings,
    ...('type' in packageJson ? ['`"type": "module"`'] : []),
    ...('engines' in packageJson ? ['`engines`'] : []),
    ...('packageManager' in packageJson ? ['`packageManager`'] : []),
    ...(corepack === true ? ['corepack'] : []),
    ...(native === true ? ['native'] : []),
    ...(extras === true ? ['extras'] : []),
  ]
  return [
    next,
    bundler,
    router,
    `${packageManager} ${toolVersion(packageManager)}`.trim(),
    features.join(', '),
  ]
}

test('docs/projects.md has the kinds that the matrix test deploys', () => {
  const table = /<!-- kinds:start -->\n([^]*)<!-- kinds:end -->/.exec(text)?.[1] ?? ''
  const cells = table
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  expect(cells.slice(2)).toEqual(kinds.map(row))
})
