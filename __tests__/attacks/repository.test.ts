/** A repository whose owner means harm: names of files and packages, refs and commits are data, up to the server. */
import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { layoutOf } from '../../src/agent/store/layout.ts'
import { outline } from '../../src/agent/upload/outline.ts'
import { readableByOthers } from '../../src/agent/system/umask.ts'
import { createUploads, type Uploads } from '../../src/agent/upload/upload.ts'
import { readInputs } from '../../src/inputs/index.ts'
import { assemble } from '../../src/next/assemble.ts'
import { readProject } from '../../src/next/project.ts'
import { createPlan } from '../../src/plan.ts'
import { Failure } from '../../src/common/failure.ts'
import { createManifest, type SourceFile } from '../../src/transfer/manifest.ts'
import { missingFiles } from '../../src/transfer/stream.ts'
import { temporaryFolders } from '../support/folder.ts'
import { until } from '../support/until.ts'
import { manifestOf } from '../support/tree.ts'
import { bodyOf, stage } from '../support/upload.ts'
import { attack, hostile, record } from './attack.ts'

const folder = temporaryFolders()
const umask = process.umask()
afterEach(() => void process.umask(umask))

const login = {
  INPUT_HOST: 'example.com',
  INPUT_USERNAME: 'deploy',
  INPUT_PASSWORD: 'secret',
  INPUT_FINGERPRINT: `SHA256:${'A'.repeat(43)}`,
}
function send(uploads: Uploads, id: string, files: readonly SourceFile[]): Promise<unknown> {
  return uploads.fill(id, files.length, bodyOf(files))
}

const runtime = { sharedDirs: [], sharedFiles: [] } as never

describe('names', () => {
  test('of packages become a folder and a name of PM2, or are refused', () => {
    const workspace = folder()
    return attack({
      surface: 'Repository: names of packages, refs, commits, actors',
      inputs: fc.tuple(hostile, hostile),
      runs: [200, 5000],
      holds: ([name, ref]) => {
        writeFileSync(join(workspace, 'package.json'), JSON.stringify({ name, dependencies: { next: '16' } }))
        const run = { GITHUB_WORKSPACE: workspace, GITHUB_REF: ref, GITHUB_SHA: ref, GITHUB_ACTOR: ref }
        try {
          const inputs = readInputs({ ...login, ...run })
          const plan = createPlan(inputs, readProject(workspace, '.').name)
          return /^apps\/[\w~][\w.~-]*$/.test(plan.path) && inputs.run.ref === ref
        } catch (error) {
          if (!(error instanceof Failure)) throw error
          return ['missing-input', 'not-a-next-app', 'no-lockfile'].includes(error.code)
        }
      },
    })
  })

  test('of files arrive as they are, inside the release', () => {
    const name = hostile
      .map((text) => text.replace(/[\0\p{Cs}]/gu, '').slice(0, 80))
      .filter((text) => text.split('/').every((part) => !/^\.{0,2}$/.test(part) && part !== '.gapless'))
      .filter((text) => Buffer.byteLength(text) < 200 && Buffer.from(text).toString() === text)
    return attack({
      surface: 'Repository: names of files',
      inputs: fc.uniqueArray(name, { minLength: 1, maxLength: 4, selector: (text) => text.split('/')[0] }),
      runs: [25, 400],
      holds: async (names) => {
        const [source, server] = [folder(), folder()]
        const layout = layoutOf(join(server, 'site'))
        const files = Object.fromEntries(names.map((each) => [`public/${each}`, `content of ${each}`]))
        const manifest = await manifestOf(source, { 'server.js': '//', ...files })
        const uploads = createUploads(layout)
        const { id, missing } = await stage(uploads, manifest)
        await send(uploads, id, [...missingFiles(manifest, missing)])
        const run = { commit: names[0]!, ref: names[0]!, actor: names[0]!, runUrl: '' }
        const commit = { id, run, entry: 'server.js', nextVersion: null, builtMsAgo: 0, runtime } as never
        const { path } = await uploads.commit(commit, () => undefined)
        const there = names.every((each) => existsSync(join(path!, 'public', each)))
        return (
          there &&
          readdirSync(server).join() === 'site' &&
          readdirSync(layout.base).sort().join() === '.gapless,releases'
        )
      },
    })
  }, 120_000)
})

describe('links', () => {
  test('that leave the build are refused, wherever they lead', async () => {
    const targets = [
      '/etc/passwd',
      '../../../../etc/passwd',
      '..',
      '../..',
      '/',
      '/proc/self/environ',
      'a/../../../x',
    ]
    let through = 0
    for (const target of targets) {
      const at = folder()
      const output = {
        directory: at,
        standaloneDirectory: join(at, 'standalone'),
        staticDirectory: join(at, 'static'),
        publicDirectory: join(at, 'public'),
        relativeAppDir: '',
        distDir: '.next',
        staticPath: '.next/static',
      }
      for (const each of ['standalone/sub', 'static', 'public'])
        mkdirSync(join(at, each), { recursive: true })
      writeFileSync(join(at, 'standalone/server.js'), '')
      for (const place of ['standalone/sub/link', 'public/link']) {
        symlinkSync(target, join(at, place))
        const laidOut = assemble(output as never).then(({ entries }) => ({ entries: [...entries] }))
        const tree = await laidOut.catch((error: unknown) => {
          if (error instanceof Failure && ['symlink-escapes', 'unsupported-file'].includes(error.code))
            return undefined
          throw error
        })
        // A link up to the release's own root is inside it.
        const inside = place.startsWith('standalone') && target === '..'
        if (tree !== undefined && !inside) through += 1
        if (tree !== undefined) await createManifest(tree)
        rmSync(join(at, place))
      }
    }
    expect(through).toBe(0)
    record('Repository: links that leave the build', targets.length * 2, through)
  })
})

test('a strict umask of the server does not close what nginx must read', async () => {
  process.umask(0o077)
  const server = folder()
  const layout = layoutOf(join(server, 'site'))
  const site = Object.fromEntries(
    Array.from({ length: 60 }, (_, index) => [`public/${index}/a/b.txt`, `${index}`]),
  )
  const contents = [
    { ...site, 'server.js': '// one' },
    { ...site, 'server.js': '// two' },
  ]
  for (const content of contents) {
    const manifest = await manifestOf(folder(), content)
    const uploads = createUploads(layout)
    const base = await outline(layout)
    const { id, missing } = await readableByOthers(() => stage(uploads, manifest, base))
    // What is taken from the release before comes between the messages.
    if (base.base !== null)
      await until('all is there', () => existsSync(join(layout.incoming, id, 'public/59/a/b.txt')))
    await readableByOthers(() => send(uploads, id, [...missingFiles(manifest, missing)]))
    const run = { commit: '', ref: '', actor: '', runUrl: '' }
    const commit = { id, run, entry: 'server.js', nextVersion: null, builtMsAgo: 0, runtime } as never
    const path = (await readableByOthers(() => uploads.commit(commit, () => undefined))).path!
    const modes = new Set<string>()
    for (const name of ['', ...readdirSync(path, { recursive: true, encoding: 'utf8' })]) {
      if (name.startsWith('.gapless')) continue
      const stat = lstatSync(join(path, name))
      modes.add(`${stat.isDirectory() ? 'folder' : 'file'} ${(stat.mode & 0o777).toString(8)}`)
    }
    expect([...modes].sort()).toEqual(['file 644', 'folder 755'])
  }
  for (const at of [layout.releases, layout.base]) expect(lstatSync(at).mode & 0o777).toBe(0o755)
  expect(lstatSync(layout.own).mode & 0o777).toBe(0o700)
  expect(process.umask()).toBe(0o077)
})
