import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type BuildError, findBuildErrors, inRepository } from '../../src/next/build-errors.ts'
import { temporaryFolders } from '../support/folder.ts'

/** What real builds of small apps with one mistake each have printed, colours included. */
const recorded = join(import.meta.dirname, 'build-output')

/** `./app/page.tsx:2:13 Expression expected`: the place and the beginning of the message */
function shown({ file, position, message }: BuildError): string {
  const place = position === null ? '' : `:${position.line}:${position.column}`
  return `${file}${place} ${message.slice(0, 60)}`
}

const wrongType = `Type error: Type 'string' is not assignable to type 'number'`
const wrongSyntax = './app/page.tsx:2:13 Expression expected'
const gone = `Module not found: Can't resolve '../lib/gone'`
const nowhere = `Module not found: Can't resolve './nowhere'`
const quote = "./app/page.tsx:4:31 `'` can be escaped with `&apos;`, `&lsquo;`, `&#39;`, `&rsquo;`.".slice(
  0,
  80,
)
const hook = (what: string) => `./app/page.tsx:1:10 ${`You're importing a ${what}`.slice(0, 60)}`

const expected: Readonly<Record<string, readonly string[]>> = {
  '14.2.35-type': [`./lib/price.ts:1:14 ${wrongType}`],
  '14.2.35-syntax': [wrongSyntax],
  '14.2.35-missing': [`./app/page.tsx ${gone}`],
  '14.2.35-client': [hook('component that needs useState. It only works in a Client Component but none')],
  '14.2.35-several': [wrongSyntax, `./app/two/page.tsx ${nowhere}`],
  '14.2.35-prerender': [],
  '14.2.35-eslint': [quote],
  '15.5.29-type': [`./lib/price.ts:1:14 ${wrongType}`],
  '15.5.29-syntax': [wrongSyntax],
  '15.5.29-syntax-turbopack': [wrongSyntax],
  '15.5.29-missing': [`./app/page.tsx ${gone}`],
  '15.5.29-missing-turbopack': [`./app/page.tsx:1:1 ${gone}`],
  '15.5.29-client': [hook('component that needs `useState`. This React Hook only works in a Client')],
  '15.5.29-client-turbopack': [
    hook('component that needs `useState`. This React Hook only works in a Client'),
  ],
  '15.5.29-several': [wrongSyntax, `./app/two/page.tsx ${nowhere}`],
  '15.5.29-prerender': [],
  '15.5.29-eslint': [quote],
  '16.4.6-type': [`lib/price.ts:1:14 TS2322: ${wrongType.slice(12)}.`],
  '16.4.6-syntax': [wrongSyntax],
  '16.4.6-syntax-webpack': [wrongSyntax],
  '16.4.6-missing': [`./app/page.tsx:1:1 ${gone}`],
  '16.4.6-missing-webpack': [`./app/page.tsx ${gone}`],
  '16.4.6-client': [hook('module that depends on `useState` into a React Server Component module.')],
  '16.4.6-several': [wrongSyntax, `./app/two/page.tsx:1:1 ${nowhere}`],
  '16.4.6-prerender': ['app/page.tsx:2:9 Error: no database'],
}

describe('the errors of a build', () => {
  test('every recorded build is looked at', () => {
    expect(readdirSync(recorded).sort()).toEqual(
      Object.keys(expected)
        .map((name) => `${name}.txt`)
        .sort(),
    )
  })

  test.each(Object.entries(expected))('of Next.js %s', (name, errors) => {
    const output = readFileSync(join(recorded, `${name}.txt`), 'utf8')
    expect(findBuildErrors(output).map(shown)).toEqual(errors)
  })

  test('are found where the terminal can draw lines', () => {
    const output = [
      './app/page.tsx',
      'Error:   × Unexpected token',
      '   ╭─[/shop/app/page.tsx:7:1]',
      ' 7 │   a b',
      '   ·     ─',
      '   ╰────',
    ]
    expect(findBuildErrors(output.join('\n')).map(shown)).toEqual(['./app/page.tsx:7:5 Unexpected token'])
  })

  test('are none in what has none', () => {
    expect(findBuildErrors('')).toEqual([])
    expect(findBuildErrors('./app/page.tsx\n\n./b.tsx\nImport trace for requested module:\n./c.tsx')).toEqual(
      [],
    )
    expect(findBuildErrors('Error: no\n    at run (/shop/node_modules/next/a.js:1:2)')).toEqual([])
    expect(findBuildErrors('./app/page.tsx\n2:3  Warning: Unexpected var.  no-var')).toEqual([])
  })
})

test('whatever a build prints, an error is one line, of a place from 1 on, in a file of the repository', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      './',
      '../',
      '/',
      ':',
      '1',
      '0',
      '(',
      ')',
      ',',
      ': error TS1: ',
      'Error: ',
      '    at a (',
      '\n',
    ),
    fc.constantFrom(
      '\n./a/b.ts:1:2\n',
      ' 1 | x\n',
      '   : ^\n',
      '1:2  Error: ',
      '\r',
      '\u001B[31m',
      '..',
      '%0A::',
    ),
    fc.string({ maxLength: 5 }),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      for (const { file, position, message } of findBuildErrors(pieces.join(''))) {
        expect(message + file).not.toMatch(/\n/)
        expect(message).not.toBe('')
        expect(position === null || (position.line > 0 && position.column > 0)).toBe(true)
        expect(inRepository(file, '/shop/apps/web', '/shop', () => true) ?? '').not.toMatch(
          /^(\/|\.\.(\/|$))/,
        )
      }
    }),
    { numRuns: 2000, seed: 1 },
  )
})

describe('a file that a build names', () => {
  const folder = temporaryFolders()
  const workspace = folder()
  const app = join(workspace, 'apps', 'web')
  for (const path of ['apps/web/app/page.tsx', 'packages/ui/button.tsx', 'apps/web/lib/a.ts']) {
    mkdirSync(join(workspace, path, '..'), { recursive: true })
    writeFileSync(join(workspace, path), '')
  }

  test.each([
    ['./app/page.tsx', 'apps/web/app/page.tsx'],
    ['lib/a.ts', 'apps/web/lib/a.ts'],
    ['../../packages/ui/button.tsx', 'packages/ui/button.tsx'],
    // Turbopack counts from the root of the workspace.
    ['./apps/web/app/page.tsx', 'apps/web/app/page.tsx'],
    ['./packages/ui/button.tsx', 'packages/ui/button.tsx'],
    ['./gone.tsx', undefined],
    ['../../../../../../etc/passwd', undefined],
  ])('%s is %s of the repository', (file, path) => {
    expect(inRepository(file, app, workspace, existsSync)).toBe(path)
  })
})
