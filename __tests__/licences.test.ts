/** The packages that dist/ contains, and what docs/security.md says about them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'

const read = (file: string) => readFileSync(join(import.meta.dirname, '..', file), 'utf8')

/** Build tools of ssh2's optional native add-ons. Of these packages only cpu-features has JavaScript that is bundled. */
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
  const [line = ''] = /^- Seven packages at run time.*$/m.exec(chain) ?? []
  expect(Object.keys(dependencies)).toHaveLength(7)
  expect(bundled).toHaveLength(7 + 7)
  expect(bundled.filter((name) => !line.includes(`\`${name}\``))).toEqual([])
  const licensed = [...read('dist/licenses.txt').matchAll(/(?<=^|\n\n)(@?[\w./-]+)\n[A-Z][\w.-]*\n/g)]
  const shipped = licensed.map(([, name = '']) => name)
  expect(shipped).toEqual(expect.arrayContaining(bundled))
  expect(shipped.filter((name) => !line.includes(`\`${name}\``))).toEqual([])
})
