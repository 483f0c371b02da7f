import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { assemble, withEntry } from '../../src/next/assemble.ts'
import type { TreeEntry } from '../../src/next/layers.ts'
import { readBuildOutput } from '../../src/next/output.ts'
import { Folder, folders, writeBuild } from './folder.ts'

const folder = folders()

function builtApp(): Folder {
  const app = folder()
  writeBuild(app)
  return app
}

interface List {
  readonly entries: readonly TreeEntry[]
}

/** The tree of the app; the repository is the app's folder unless given. */
async function tree(
  app: Folder,
  directory = app.path,
  workspace = directory,
  shared: readonly string[] = [],
): Promise<List> {
  const { entries } = await assemble(readBuildOutput(directory), workspace, shared)
  return { entries: [...entries] }
}

function paths({ entries }: List): readonly string[] {
  return entries.map(({ path }) => path)
}

function at({ entries }: List, path: string): TreeEntry | undefined {
  return entries.find((entry) => entry.path === path)
}

describe('the release', () => {
  test('is the standalone server with static and public', async () => {
    const app = builtApp().write('public/robots.txt', 'all')
    expect(paths(await tree(app))).toEqual([
      '.next/BUILD_ID',
      '.next/required-server-files.json',
      '.next/static/chunks/main.js',
      'node_modules/next/package.json',
      'public/robots.txt',
      'server.js',
    ])
  })

  test('of an app in a workspace, with a distDir of its own', async () => {
    const repository = folder().write('apps/web/public/robots.txt')
    writeBuild(repository, { app: 'apps/web', distDir: 'build/next' })
    const found = await tree(repository, repository.at('apps/web'), repository.path)
    expect(paths(found)).toEqual([
      'apps/web/build/next/BUILD_ID',
      'apps/web/build/next/required-server-files.json',
      'apps/web/build/next/static/chunks/main.js',
      'apps/web/public/robots.txt',
      'apps/web/server.js',
      'node_modules/next/package.json',
    ])
  })

  test('of an app whose distDir is outside of its folder', async () => {
    const repository = folder().write('apps/web/public/robots.txt')
    writeBuild(repository, { app: 'apps/web', distDir: '../../dist/apps/web/.next' })
    repository.write('dist/apps/web/.next/standalone/dist/apps/web/.next/cache/x')
    const output = readBuildOutput(repository.at('apps/web'), repository.path)
    const entries = [...(await assemble(output, repository.path)).entries]
    expect(paths({ entries })).toEqual([
      'apps/web/public/robots.txt',
      'apps/web/server.js',
      'dist/apps/web/.next/BUILD_ID',
      'dist/apps/web/.next/required-server-files.json',
      'dist/apps/web/.next/static/chunks/main.js',
      'node_modules/next/package.json',
    ])
    expect(at({ entries }, 'dist/apps/web/.next/BUILD_ID')).toMatchObject({ mode: 0o600 })
  })

  test('has where each file is, its size in bytes and whether it can be executed', async () => {
    const app = builtApp()
      .write('public/é.txt', 'é')
      .write('.next/standalone/bin/run', '#!/bin/sh', 0o700)
      .write('.next/standalone/.env', 'A=1', 0o644)
      .write('.next/standalone/.env.production', 'A=1', 0o755)
    const found = await tree(app)
    const file = { kind: 'file', mode: 0o644 }
    expect(at(found, 'public/é.txt')).toEqual({
      ...file,
      path: 'public/é.txt',
      source: app.at('public/é.txt'),
      size: 2,
    })
    expect(at(found, 'bin/run')).toMatchObject({ size: 9, mode: 0o755 })
    expect(at(found, '.env')).toMatchObject({ size: 3, mode: 0o600 })
    expect(at(found, '.env.production')).toMatchObject({ mode: 0o600 })
  })

  test('leaves the keys and the code that Next.js built to the app’s own user, and what browsers get to all', async () => {
    const app = builtApp()
      .write('.next/standalone/.next/server/server-reference-manifest.json', '{"encryptionKey":"k"}')
      .write('.next/standalone/.next/prerender-manifest.json', '{"preview":{}}')
      .write('.next/standalone/.next/server/query-engine', '#!/bin/sh', 0o755)
      .write('.next/standalone/.nextra/theme.js')
      .write('.next/static/media/font.woff2')
    const found = await tree(app)
    const modes = Object.fromEntries(
      [
        '.next/server/server-reference-manifest.json',
        '.next/prerender-manifest.json',
        '.next/server/query-engine',
        '.nextra/theme.js',
        '.next/static/media/font.woff2',
      ].map((path) => {
        const entry = at(found, path)
        return [path, entry?.kind === 'file' ? entry.mode.toString(8) : entry]
      }),
    )
    expect(modes).toEqual({
      '.next/server/server-reference-manifest.json': '600',
      '.next/prerender-manifest.json': '600',
      '.next/server/query-engine': '700',
      '.nextra/theme.js': '644',
      '.next/static/media/font.woff2': '644',
    })
  })

  test('keeps odd names as they are', async () => {
    const names = ['hello [1] $x.txt', 'a (b)!.txt', '-rf', "it's `x`;\n.txt", '[[...slug]].js', ' ', '\\']
    const app = builtApp()
    for (const name of names) app.write(`public/${name}`)
    const found = paths(await tree(app)).filter((path) => path.startsWith('public/'))
    expect(new Set(found)).toEqual(new Set(names.map((name) => `public/${name}`)))
  })

  test('is sorted by bytes, where JavaScript would sort by UTF-16 units', async () => {
    const names = ['a', 'a-b', 'a.b', 'a/b', '\uFF5E', '\u{1F600}']
    const app = builtApp()
    for (const name of names.filter((name) => name !== 'a')) app.write(`public/${name}`)
    const found = paths(await tree(app)).filter((path) => path.startsWith('public/'))
    expect(found).toEqual(['public/a-b', 'public/a.b', 'public/a/b', 'public/\uFF5E', 'public/\u{1F600}'])
    expect(found.toSorted()).not.toEqual(found)
  })

  test('has an entry for an empty folder only', async () => {
    const app = builtApp().directory('public/uploads/new')
    const found = await tree(app)
    expect(at(found, 'public/uploads/new')).toEqual({ kind: 'directory', path: 'public/uploads/new' })
    expect(at(found, 'public/uploads')).toBeUndefined()
  })

  test('leaves out what a running server wrote and what belongs to the release’s records', async () => {
    const app = builtApp()
      .write('.next/standalone/.next/cache/fetch-cache/x')
      .write('.next/standalone/.next/server/route-cache/x')
      .write('.next/standalone/.gapless/release.json')
      .write('public/.next/cache/kept')
      .write('public/cache/kept')
    const found = paths(await tree(app)).filter((path) => /cache|gapless/.test(path))
    expect(found).toEqual(['public/.next/cache/kept', 'public/cache/kept'])
  })

  test('leaves out what belongs to a machine or to git, however it came into the build', async () => {
    const app = builtApp()
      .write('.next/standalone/.env', 'A=1')
      .write('.next/standalone/.env.production', 'A=1')
      .write('.next/standalone/.env.local', 'SECRET=1')
      .write('.next/standalone/.env.production.local', 'SECRET=1')
      .write('.next/standalone/.git/config', 'token')
      .write('public/.env.local', 'SECRET=1')
      .write('.next/standalone/node_modules/x/.environment.local.js')
    const found = paths(await tree(app)).filter((path) => /env|git|local/.test(path))
    expect(found).toEqual(['.env', '.env.production', 'node_modules/x/.environment.local.js'])
  })
})

describe('where two layers meet, the later one wins', () => {
  test('file by file', async () => {
    const app = builtApp().write('public/a.txt', 'new')
    app.write('.next/standalone/public/a.txt', 'traced').write('.next/standalone/public/b.txt', 'traced')
    const found = await tree(app)
    expect(paths(found).filter((path) => path.startsWith('public'))).toEqual(['public/a.txt', 'public/b.txt'])
    expect(at(found, 'public/a.txt')).toMatchObject({ source: app.at('public/a.txt'), size: 3 })
    expect(at(found, 'public/b.txt')).toMatchObject({ source: app.at('.next/standalone/public/b.txt') })
  })

  test('also when one has a folder where the other has none', async () => {
    const app = builtApp()
      .write('public/a/x.txt')
      .write('public/b', 'a file now')
      .link('.next/standalone/public/a', '../node_modules')
      .write('.next/standalone/public/b/y.txt')
    expect(paths(await tree(app)).filter((path) => path.startsWith('public'))).toEqual([
      'public/a/x.txt',
      'public/b',
    ])
  })
})

describe('symbolic links', () => {
  test('are kept as links, whatever they lead to, and never followed', async () => {
    const app = builtApp()
      .link('.next/standalone/.next/node_modules/sharp-1a2b', '../../node_modules/next')
      .link('.next/standalone/node_modules/gone', './missing')
      .link('.next/standalone/node_modules/self', '..')
      .write('public/a.txt')
      .link('public/b.txt', 'a.txt')
    const links = (await tree(app)).entries.filter(({ kind }) => kind === 'link')
    expect(links).toEqual([
      { kind: 'link', path: '.next/node_modules/sharp-1a2b', target: '../../node_modules/next' },
      { kind: 'link', path: 'node_modules/gone', target: 'missing' },
      { kind: 'link', path: 'node_modules/self', target: '..' },
      { kind: 'link', path: 'public/b.txt', target: 'a.txt' },
    ])
  })

  test.each([
    ['absolute', '/etc/hostname'],
    ['out of the tree', '../../../../../etc/hostname'],
    ['out of the tree, to the app', '../../../package.json'],
    ['out of the tree, to nothing', '../../../missing'],
  ])('that lead %s are refused', async (_, target) => {
    const app = builtApp().write('package.json', {}).link('.next/standalone/node_modules/x', target)
    await expect(tree(app)).rejects.toMatchObject({
      code: 'symlink-escapes',
      message: expect.stringContaining(`"node_modules/x" is a symbolic link to ${JSON.stringify(target)}`),
    })
  })

  test('that lead out by their real way, though not by their text, are refused', async () => {
    // a/deep is the tree's root: deep/.. is `a` by its text, and in truth the folder above the tree.
    const app = builtApp().write('.next/static/x', '')
    app.directory('.next/standalone/a').link('.next/standalone/a/deep', '..')
    app.link('.next/standalone/a/b/x', '../deep/../static/x')
    await expect(tree(app)).rejects.toMatchObject({ code: 'symlink-escapes' })
  })

  test('that go up behind a folder’s name are written without the detour', async () => {
    const app = builtApp().write('public/z/a.txt').link('public/b.txt', 'z/../z/./a.txt')
    app.link('public/none.txt', 'z/../none.txt')
    const found = await tree(app)
    expect(at(found, 'public/b.txt')).toMatchObject({ kind: 'link', target: 'z/a.txt' })
    expect(at(found, 'public/none.txt')).toMatchObject({ kind: 'link', target: 'none.txt' })
  })

  test('that go up behind another link are never kept by their text', async () => {
    const app = builtApp().write('public/deep/x/y.txt', 'y').write('public/z/own.txt', '')
    app.write('public/deep/er/a.txt').link('public/deep/er/link', '../../z')
    // By its text public/deep/x/y.txt, in truth public/x/y.txt.
    app.write('public/x/y.txt', 'other').link('public/leak.txt', 'deep/er/link/../x/y.txt')
    expect(at(await tree(app), 'public/leak.txt')).toMatchObject({
      kind: 'file',
      source: app.at('public/x/y.txt'),
    })
  })

  test('from public to a file of the repository become that file', async () => {
    const repository = folder().write('brand/logo.svg', '<svg/>')
    writeBuild(repository, { app: 'apps/web' })
    repository.directory('apps/web/public').link('apps/web/public/logo.svg', '../../../brand/logo.svg')
    repository.link('apps/web/public/absolute.svg', repository.at('brand/logo.svg'))
    const found = await tree(repository, repository.at('apps/web'), repository.path)
    const file = { kind: 'file', source: repository.at('brand/logo.svg'), size: 6, mode: 0o644 }
    expect(at(found, 'apps/web/public/logo.svg')).toEqual({ ...file, path: 'apps/web/public/logo.svg' })
    expect(at(found, 'apps/web/public/absolute.svg')).toEqual({
      ...file,
      path: 'apps/web/public/absolute.svg',
    })
  })

  test('from public to a folder of the repository become that folder', async () => {
    const repository = folder().write('brand/logo.svg', '<svg/>').write('brand/fonts/a.woff2')
    repository.link('brand/main.svg', 'logo.svg').link('brand/licence', '../LICENCE').write('LICENCE', 'MIT')
    repository.write('brand/.env.local').write('icons/a.svg').link('brand/icons', '../icons')
    writeBuild(repository, { app: 'apps/web' })
    repository.link('apps/web/public/assets', '../../../brand')
    const found = await tree(repository, repository.at('apps/web'), repository.path)
    const assets = found.entries.filter(({ path }) => path.startsWith('apps/web/public/'))
    const file = { kind: 'file', mode: 0o644 }
    expect(assets).toEqual([
      {
        ...file,
        path: 'apps/web/public/assets/fonts/a.woff2',
        size: 0,
        source: repository.at('brand/fonts/a.woff2'),
      },
      { ...file, path: 'apps/web/public/assets/icons/a.svg', size: 0, source: repository.at('icons/a.svg') },
      { ...file, path: 'apps/web/public/assets/licence', size: 3, source: repository.at('LICENCE') },
      { ...file, path: 'apps/web/public/assets/logo.svg', size: 6, source: repository.at('brand/logo.svg') },
      { kind: 'link', path: 'apps/web/public/assets/main.svg', target: 'logo.svg' },
    ])
  })

  test.each([
    ['the folder that it is in', [['public/all', '..']]],
    ['the repository', [['public/a/all', '../../../..']]],
    [
      'one another',
      [
        ['public/x', '../one'],
        ['one/deep/two', '../../two'],
        ['two/back', '../one'],
      ],
    ],
  ] as const)('that lead to %s for ever are refused', async (_, links) => {
    const app = folder().directory('one/deep').directory('two').directory('public/a')
    writeBuild(app)
    for (const [name, target] of links) app.link(name, target)
    await expect(tree(app)).rejects.toMatchObject({ code: 'symlink-escapes' })
  })

  test.each([
    ['that lead out of the repository', '/srv/uploads'],
    ['to nothing', '../../storage/uploads'],
  ])('at a shared path are left out: %s', async (_, target) => {
    const repository = folder()
    writeBuild(repository, { app: 'apps/web' })
    repository.link('apps/web/public/uploads', target)
    const directory = repository.at('apps/web')
    await expect(tree(repository, directory, repository.path)).rejects.toMatchObject({
      code: 'symlink-escapes',
      message: expect.stringContaining(target),
      remedy: expect.stringContaining('`shared-dirs`'),
    })
    const found = await tree(repository, directory, repository.path, ['public/uploads'])
    expect(paths(found).filter((path) => path.includes('public'))).toEqual([])
  })

  test('at a shared path bring what the repository has for it', async () => {
    const app = builtApp().write('seed/a.txt').directory('public').link('public/uploads', '../seed')
    const found = await tree(app, app.path, app.path, ['public/uploads'])
    expect(at(found, 'public/uploads/a.txt')).toMatchObject({ source: app.at('seed/a.txt') })
  })

  test.each([
    ['a folder outside the repository', '/etc'],
    ['git’s own folder', '../.git'],
    ['nothing', '../brand/missing'],
    ['a file outside the repository', '/etc/hostname'],
    ['git’s own files, which may hold a token', '../.git/config'],
  ])('from public to %s are refused', async (_, target) => {
    const app = builtApp().write('brand/logo.svg').write('.git/config').directory('public')
    app.link('public/x', target)
    await expect(tree(app)).rejects.toMatchObject({
      code: 'symlink-escapes',
      message: expect.stringContaining(`"public/x" is a symbolic link to ${JSON.stringify(target)}`),
    })
  })

  test('public itself may be one, inside the repository', async () => {
    const app = builtApp().write('assets/a.txt').link('public', 'assets')
    expect(at(await tree(app), 'public/a.txt')).toMatchObject({ source: app.at('assets/a.txt') })
    const elsewhere = folder().write('a.txt')
    const other = builtApp().link('public', elsewhere.path)
    await expect(tree(other)).rejects.toMatchObject({ code: 'symlink-escapes' })
    expect(paths(await tree(other, other.path, other.path, ['public']))).not.toContain('public/a.txt')
  })
})

describe('what cannot be in a release', () => {
  test('a named pipe', async () => {
    const app = builtApp().directory('public')
    execFileSync('mkfifo', [app.at('public/pipe')])
    await expect(tree(app)).rejects.toMatchObject({
      code: 'unsupported-file',
      message: expect.stringContaining(app.at('public/pipe')),
    })
  })

  test('a socket', async () => {
    const app = builtApp().directory('public')
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(app.at('public/s'), resolve))
    try {
      await expect(tree(app)).rejects.toMatchObject({ code: 'unsupported-file' })
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  const withRoot = process.getuid?.() === 0 ? test : test.skip
  withRoot('a device', async () => {
    const app = builtApp().directory('public')
    execFileSync('mknod', [app.at('public/null'), 'c', '1', '3'])
    await expect(tree(app)).rejects.toMatchObject({ code: 'unsupported-file' })
  })

  test('a name that is not UTF-8', async () => {
    const app = builtApp().directory('public')
    writeFileSync(Buffer.concat([Buffer.from(app.at('public/caf')), Buffer.from([0xe9])]), '')
    await expect(tree(app)).rejects.toMatchObject({
      code: 'file-name',
      message: 'The name "caf\\xe9" in "public" is not valid UTF-8.',
      evidence: expect.stringContaining('636166e9'),
    })
  })
})

test('10,000 files are described in no more than seconds', async () => {
  const app = builtApp()
  for (let group = 0; group < 10; group++) {
    mkdirSync(app.at(`public/${group}`), { recursive: true })
    for (let number = 0; number < 1000; number++) writeFileSync(app.at(`public/${group}/${number}`), '')
  }
  const start = performance.now()
  const { entries } = await tree(app)
  expect(entries).toHaveLength(10_005)
  expect(performance.now() - start).toBeLessThan(5_000)
}, 60_000)

describe('one more entry', () => {
  const directory = (path: string) => ({ kind: 'directory', path }) as const
  test.each([['a'], ['b/c'], ['é'], ['~']])('%s comes in its place', (path) => {
    const paths = ['b', 'b-c', 'c/d', 'e', 'ê']
    const found = [...withEntry(paths.map(directory), directory(path))]
    const sorted = [...paths, path].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect(found.map((entry) => entry.path)).toEqual(sorted)
  })
})

describe('the order', () => {
  test('is that of the paths’ bytes, whatever stands beside whatever', async () => {
    const app = builtApp()
    const names = ['a/x', 'a-b', 'a.b', 'a0', 'ab/c/d', 'ab/c-d', '\u{10000}', '\uffee', 'é/ü', 'é-ü', 'A']
    for (const name of names) app.write(`.next/standalone/${name}`)
    for (const name of ['full/empty', 'full/empty-not', 'e', 'e-x/y']) {
      if (name.endsWith('y') || name.endsWith('not')) app.write(`.next/standalone/${name}`)
      else mkdirSync(app.at(`.next/standalone/${name}`), { recursive: true })
    }
    const found = paths(await tree(app))
    expect(found).toEqual(expect.arrayContaining([...names, 'e', 'e-x/y', 'full/empty', 'full/empty-not']))
    expect(found).toEqual(found.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
  })
})
