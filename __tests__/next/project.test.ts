import { describe, expect, test } from '@jest/globals'
import { readProject } from '../../src/next/project.ts'
import { folders, type Folder } from './folder.ts'

const folder = folders()
const app = { name: 'shop', dependencies: { next: '^16.0.0' } }

describe('the Next.js app in the repository', () => {
  test('is at its root', () => {
    const repository = folder().write('package.json', app)
    expect(readProject(repository.path, '.')).toEqual({
      directory: repository.path,
      name: 'shop',
      nextRange: '^16.0.0',
      nodeRanges: [],
      doubts: [],
    })
  })

  test('is in the folder that working-directory names, relative or absolute', () => {
    const repository = folder().write('apps/web/package.json', app)
    expect(readProject(repository.path, 'apps/web/').directory).toBe(repository.at('apps/web'))
    expect(readProject(repository.path, repository.at('apps/web')).directory).toBe(repository.at('apps/web'))
  })

  test.each([
    ['an app folder', 'app/page.tsx', {}],
    ['a pages folder', 'src/pages/index.js', {}],
    ['a configuration', 'next.config.mjs', {}],
    ['a script', 'README.md', { build: 'prisma generate && next build' }],
  ])('may have no name, and Next.js among its devDependencies: %s shows it', (_, file, scripts) => {
    const repository = folder()
      .write('package.json', { devDependencies: { next: 'catalog:' }, scripts })
      .write(file)
    expect(readProject(repository.path, '.')).toEqual({
      directory: repository.path,
      nextRange: 'catalog:',
      nodeRanges: [],
      doubts: [],
    })
  })

  test('may have a package.json that begins with a byte order mark', () => {
    const repository = folder().write('package.json', `\uFEFF${JSON.stringify(app)}`)
    expect(readProject(repository.path, '.').name).toBe('shop')
  })
})

describe('the Node.js that the app requires', () => {
  const rangesOf = (repository: Folder) => readProject(repository.path, 'apps/web').nodeRanges
  const web = { ...app, engines: { node: '>=18' } }

  test.each([
    ['npm, Yarn and bun', { workspaces: ['apps/*'] }, 'turbo.json'],
    ['pnpm', {}, 'pnpm-workspace.yaml'],
  ])('includes the range of the workspace’s root: %s', (_, more, file) => {
    const repository = folder()
      .write('package.json', { ...more, engines: { node: '>=22' } })
      .write(file, '{}')
      .write('apps/web/package.json', web)
    expect(rangesOf(repository)).toEqual([
      { range: '>=18', file: 'apps/web/package.json' },
      { range: '>=22', file: 'package.json' },
    ])
  })

  test('ignores a parent package that is no workspace', () => {
    const repository = folder()
      .write('package.json', { engines: { node: '>=22' } })
      .write('apps/web/package.json', web)
    expect(rangesOf(repository)).toEqual([{ range: '>=18', file: 'apps/web/package.json' }])
  })
})

describe('an app whose dependencies are in the root of the repository', () => {
  const repository = () =>
    folder()
      .write('nx.json', {})
      .write('package.json', {
        name: '@acme/source',
        dependencies: { next: '15.0.2' },
        devDependencies: { nx: '20.0.8' },
        engines: { node: '>=20' },
        scripts: { start: 'node server.js' },
      })
      .write('server.js', "require('next')({ dev: false })")
      .write('apps/web/project.json', { name: 'web' })
      .write('apps/web/next.config.mjs', 'export default {}')
      .write('apps/web/src/app/page.tsx')

  test('has the dependencies of the root, and neither its name nor its scripts', () => {
    const checkout = repository()
    expect(readProject(checkout.path, 'apps/web')).toEqual({
      directory: checkout.at('apps/web'),
      nextRange: '15.0.2',
      nodeRanges: [{ range: '>=20', file: 'package.json' }],
      doubts: [],
    })
  })

  test.each(['.', 'docs'])('is named where working-directory is %j', (workingDirectory) => {
    expect(() => readProject(repository().path, workingDirectory)).toThrow(
      expect.objectContaining({
        code: workingDirectory === '.' ? 'not-a-next-app' : 'no-package-json',
        remedy: 'Set `working-directory` to a folder with a Next.js app. Found: apps/web.',
      }),
    )
  })

  test('may have a package.json of its own, which comes first, without the dependencies', () => {
    const checkout = repository().write('apps/web/package.json', {
      name: '@acme/web',
      engines: { node: '>=22' },
    })
    expect(readProject(checkout.path, 'apps/web')).toMatchObject({
      name: '@acme/web',
      nextRange: '15.0.2',
      nodeRanges: [{ range: '>=22', file: 'apps/web/package.json' }],
    })
    expect(() => readProject(checkout.path, '.')).toThrow(
      expect.objectContaining({ remedy: expect.stringContaining('Found: apps/web.') }),
    )
  })

  test('is none where the root does not have Next.js', () => {
    const other = repository().write('package.json', { dependencies: { vite: '6' } })
    expect(() => readProject(other.path, 'apps/web')).toThrow(
      expect.objectContaining({ code: 'no-package-json' }),
    )
  })
})

describe('a working-directory that cannot be used', () => {
  test.each(['..', '../elsewhere', '/etc', 'apps/../..'])('outside the repository: %s', (path) => {
    const repository = folder().write('package.json', app)
    expect(() => readProject(repository.path, path)).toThrow(
      expect.objectContaining({ code: 'outside-workspace', message: expect.stringContaining(`"${path}"`) }),
    )
  })

  test('outside the repository through a symbolic link', () => {
    const elsewhere = folder().write('package.json', app)
    const repository = folder().link('web', elsewhere.path)
    expect(() => readProject(repository.path, 'web')).toThrow(
      expect.objectContaining({ code: 'outside-workspace' }),
    )
  })

  test('a folder whose name only begins with dots is inside', () => {
    const repository = folder().write('..web/package.json', app)
    expect(readProject(repository.path, '..web').name).toBe('shop')
  })

  test('without a package.json: the remedy lists the apps of the repository', () => {
    const repository = folder()
      .write('web/package.json', app)
      .write('apps/admin/package.json', app)
      .write('apps/api/package.json', { dependencies: { express: '5' } })
      .write('apps/broken/package.json', '{')
      .write('node_modules/demo/package.json', app)
      .write('a/b/too-deep/package.json', app)
    expect(() => readProject(repository.path, 'docs')).toThrow(
      expect.objectContaining({
        code: 'no-package-json',
        message: expect.stringMatching(/"docs".*`working-directory`/),
        remedy: 'Set `working-directory` to a folder with a Next.js app. Found: apps/admin, web.',
      }),
    )
  })

  test('with an app of another kind', () => {
    const repository = folder().write('package.json', { dependencies: { express: '5' } })
    expect(() => readProject(repository.path, '.')).toThrow(
      expect.objectContaining({
        code: 'not-a-next-app',
        message: expect.stringContaining('has no `next`'),
        remedy: expect.stringContaining('Add `next` to the dependencies'),
      }),
    )
  })

  test('with a library that needs Next.js only for development', () => {
    const library = { devDependencies: { next: '^16' }, peerDependencies: { next: '>=14' } }
    const repository = folder()
      .write('package.json', { ...library, scripts: { build: 'tsup', test: 'vitest' } })
      .write('src/index.ts')
      .write('packages/react/package.json', library)
      .write('examples/blog/package.json', app)
    expect(() => readProject(repository.path, '.')).toThrow(
      expect.objectContaining({
        code: 'not-a-next-app',
        message: expect.stringContaining('devDependencies'),
        remedy: 'Set `working-directory` to a folder with a Next.js app. Found: examples/blog.',
      }),
    )
  })

  test.each(['^13.0.0', '13.5.11', '12.x || 13.x'])('with a Next.js that is too old: %s', (next) => {
    const repository = folder().write('package.json', { dependencies: { next } })
    expect(() => readProject(repository.path, '.')).toThrow(
      expect.objectContaining({
        code: 'next-unsupported',
        message: `The app uses Next.js "${next}", which Gapless cannot deploy.`,
        remedy: expect.stringContaining('version 14 or later'),
      }),
    )
  })

  test.each(['{ "name": ', '[]', 'null'])('with a package.json that is no JSON object: %s', (text) => {
    const repository = folder().write('package.json', text)
    expect(() => readProject(repository.path, '.')).toThrow(
      expect.objectContaining({ code: 'invalid-package-json' }),
    )
  })
})
