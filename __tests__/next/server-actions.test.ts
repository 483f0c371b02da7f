import { describe, expect, test } from '@jest/globals'
import { type BuildOutput, readBuildOutput } from '../../src/next/output.ts'
import { hasOwnKey, KEY_VARIABLE, keyForWorkers, usedAnotherKey } from '../../src/next/server-actions.ts'
import { type Folder, folders, writeBuild } from './folder.ts'

const folder = folders()

describe('a key of the user’s own', () => {
  test.each([
    ['.env', `A=1\n${KEY_VARIABLE}=mine\n`],
    ['.env.production', `export ${KEY_VARIABLE} = "mine"`],
    ['.env.local', `  ${KEY_VARIABLE}: mine`],
    ['.env.production.local', `${KEY_VARIABLE}='mine'`],
  ])('stands in %s', (name, text) => {
    expect(hasOwnKey(folder().write(name, text).path, {})).toBe(true)
  })

  test.each([
    ['.env', `# ${KEY_VARIABLE}=mine\nMY_${KEY_VARIABLE}=x\n`],
    ['.env.development', `${KEY_VARIABLE}=mine`],
    ['.env.example', `${KEY_VARIABLE}=mine`],
  ])('does not stand in %s', (name, text) => {
    expect(hasOwnKey(folder().write(name, text).path, {})).toBe(false)
  })

  test('is in the job’s environment, unless it is empty', () => {
    const { path } = folder()
    expect(hasOwnKey(path, { [KEY_VARIABLE]: 'mine' })).toBe(true)
    expect(hasOwnKey(path, { [KEY_VARIABLE]: '' })).toBe(false)
  })
})

test('a build tells which key it was made with', () => {
  const app = folder()
  writeBuild(app)
  const output = readBuildOutput(app.path)
  expect(usedAnotherKey(output, 'ours')).toBe(false)
  app.write('.next/server/server-reference-manifest.json', { node: {}, edge: {}, encryptionKey: 'ours' })
  expect(usedAnotherKey(output, 'ours')).toBe(false)
  app.write('.next/server/server-reference-manifest.json', { node: {}, edge: {}, encryptionKey: 'another' })
  expect(usedAnotherKey(output, 'ours')).toBe(true)
})

describe('Next.js 14, which forgets the key that it was built with,', () => {
  function fourteen(): { app: Folder; output: BuildOutput } {
    const app = folder()
    writeBuild(app)
    app.write('.next/standalone/node_modules/next/package.json', { name: 'next', version: '14.2.35' })
    app.write('.next/server/server-reference-manifest.json', { node: {}, edge: {}, encryptionKey: 'random' })
    return { app, output: readBuildOutput(app.path) }
  }

  test('gets it at run time, too', () => {
    const { app, output } = fourteen()
    expect(keyForWorkers(output, app.path, 'ours')).toEqual({ [KEY_VARIABLE]: 'ours' })
    expect(usedAnotherKey(output, 'ours')).toBe(false)
  })

  test('does not get it where Turborepo hid it from the build', () => {
    const { app, output } = fourteen()
    app.write('turbo.json', { tasks: { build: {} } })
    expect(keyForWorkers(output, app.path, 'ours')).toEqual({})
    app.write('turbo.json', { tasks: { build: { env: [KEY_VARIABLE] } } })
    expect(keyForWorkers(output, app.path, 'ours')).toEqual({ [KEY_VARIABLE]: 'ours' })
  })

  test('is alone in that', () => {
    const app = folder()
    writeBuild(app)
    expect(keyForWorkers(readBuildOutput(app.path), app.path, 'ours')).toEqual({})
  })
})
