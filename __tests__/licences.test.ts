/** The packages that are shipped inside the bundles, and what is said of them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'

const read = (file: string) => readFileSync(join(import.meta.dirname, '..', file), 'utf8')

/** Native add-ons, which are neither built nor bundled: of ssh2's optional packages one has JavaScript of its own. */
const NOT_BUNDLED = new Set(['buildcheck', 'nan'])

test('docs/security.md names every package that is bundled, and no other number of them', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>
  }
  const { dependencies } = JSON.parse(read('package.json')) as { readonly dependencies: object }
  const bundled = Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .map(([path]) => path.replace(/^.*node_modules\//, ''))
    .filter((name) => !NOT_BUNDLED.has(name))
  const [, chain = ''] = read('docs/security.md').split('## Supply chain')
  const [line = ''] = /^- Six packages at run time.*$/m.exec(chain) ?? []
  expect(Object.keys(dependencies)).toHaveLength(6)
  expect(bundled).toHaveLength(6 + 8)
  expect(bundled.filter((name) => !line.includes(`\`${name}\``))).toEqual([])
})
