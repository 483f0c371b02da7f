import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { assertCheckedOut, isPointerOfRelease } from '../../src/next/checkout.ts'
import { readProject } from '../../src/next/project.ts'
import { failureOf } from '../support/failure.ts'
import { folders, type Folder } from './folder.ts'

const folder = folders()

/** What git-lfs leaves in the place of a file. */
function pointerTo(content: string): string {
  const oid = createHash('sha256').update(content).digest('hex')
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${content.length}\n`
}

const pointer = pointerTo('a video')
const lfs = '*.mp4 filter=lfs diff=lfs merge=lfs -text\n'
const submodules = `[submodule "assets"]\n\tpath = public/assets\n\turl = ../assets.git\n[submodule "docs"]\n\tpath = docs\n\turl = ../docs.git\n`

describe('files in Git LFS', () => {
  test('in public are refused, with the line for actions/checkout', async () => {
    const app = folder().write('public/videos/intro.mp4', pointer).write('public/b.mp4', pointer)
    expect(await failureOf(() => assertCheckedOut(app.path, app.path))).toMatchObject({
      code: 'checkout-incomplete',
      message: '"public/b.mp4" (and 1 more like it) is a Git LFS pointer, not the file itself.',
      remedy: expect.stringContaining('`lfs: true`'),
      evidence: 'public/b.mp4\npublic/videos/intro.mp4',
    })
  })

  test('at a shared path are not used, and not refused', () => {
    const app = folder().write('public/uploads/a.mp4', pointer)
    expect(assertCheckedOut(app.path, app.path, ['public/uploads'])).toEqual([])
  })

  test('elsewhere in the app are warned of', () => {
    const repository = folder().write('.gitattributes', lfs).write('apps/web/content/a.mp4', pointer)
    repository.write('apps/web/node_modules/x/a.mp4', pointer)
    expect(assertCheckedOut(repository.at('apps/web'), repository.path)).toEqual([
      expect.stringMatching(/"apps\/web\/content\/a.mp4" is a Git LFS pointer.*`lfs: true`/),
    ])
  })

  test('that were checked out, and texts about them, are fine', () => {
    const app = folder()
      .write('.gitattributes', lfs)
      .write('public/a.mp4', 'a video')
      .write('public/lfs.md', `# Pointers\n\n${pointer}`)
      .write('public/big.txt', `${pointer}${'x'.repeat(2000)}`)
    expect(assertCheckedOut(app.path, app.path)).toEqual([])
  })

  test('are found in the release, but not in packages', () => {
    const app = folder().write('a.mp4', pointer)
    const at = (path: string) =>
      ({ kind: 'file', path, source: app.at('a.mp4'), size: pointer.length, mode: 0o644 }) as const
    expect(isPointerOfRelease(at('.next/static/media/a.1a2b.mp4'))).toBe(true)
    expect(isPointerOfRelease(at('packages/brand/a.mp4'))).toBe(true)
    expect(isPointerOfRelease(at('node_modules/brand/a.mp4'))).toBe(false)
  })
})

describe('empty submodules', () => {
  test('in public are refused', async () => {
    const app = folder().write('.gitmodules', submodules).directory('public/assets').directory('docs')
    expect(await failureOf(() => assertCheckedOut(app.path, app.path))).toMatchObject({
      code: 'checkout-incomplete',
      message: 'The submodule "public/assets" is empty.',
      remedy: expect.stringContaining('`submodules: recursive`'),
    })
  })

  test('elsewhere are warned of', () => {
    const app = folder().write('.gitmodules', submodules).write('public/assets/a.svg').directory('docs')
    expect(assertCheckedOut(app.path, app.path)).toEqual([
      expect.stringMatching(/"docs" is empty.*`submodules: recursive`/),
    ])
  })

  test('that hold the app are named where its package.json is missing', async () => {
    const repository = folder().write('.gitmodules', submodules).directory('docs')
    const failure = await failureOf(() => readProject(repository.path, 'docs'))
    expect(failure).toMatchObject({
      code: 'no-package-json',
      remedy: expect.stringContaining('`submodules: recursive`'),
    })
  })
})

describe('the history', () => {
  function git(repository: Folder, ...args: readonly string[]): void {
    const identity = [
      '-c',
      'user.name=a',
      '-c',
      'user.email=a@example.com',
      '-c',
      'protocol.file.allow=always',
    ]
    execFileSync('git', [...identity, ...args], { cwd: repository.path, stdio: 'ignore' })
  }

  function clone(depth: readonly string[], build: string): string {
    const origin = folder().write('package.json', { scripts: { build } })
    git(origin, 'init')
    git(origin, 'add', '.')
    git(origin, 'commit', '-m', 'one')
    git(origin, 'commit', '--allow-empty', '-m', 'two')
    const here = folder()
    git(here, 'clone', ...depth, `file://${origin.path}`, 'repository')
    return here.at('repository')
  }

  test('of one commit is warned of where the build reads it', () => {
    const repository = clone(['--depth=1'], 'VERSION=$(git describe --always) next build')
    expect(assertCheckedOut(repository, repository)).toEqual([expect.stringContaining('`fetch-depth: 0`')])
  })

  test('is not missed otherwise', () => {
    const shallow = clone(['--depth=1'], 'next build')
    const whole = clone([], 'git log -1 > version && next build')
    expect([assertCheckedOut(shallow, shallow), assertCheckedOut(whole, whole)]).toEqual([[], []])
  })
})
