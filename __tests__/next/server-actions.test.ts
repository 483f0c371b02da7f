import { describe, expect, test } from '@jest/globals'
import { readBuildOutput } from '../../src/next/output.ts'
import { hasOwnKey, KEY_VARIABLE, usedAnotherKey } from '../../src/next/server-actions.ts'
import { folders, writeBuild } from './folder.ts'

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
