import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Pm2Search } from '../../../src/agent/pm2/find.ts'
import { compile } from '../../support/compile.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()
let compiled: string

beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))

/** Runs the search as the agent would: in a process with this home and PATH. */
function search(home: string, path: string, binPath: readonly string[] = []): Pm2Search {
  const code = `
    const { findPm2 } = require(${JSON.stringify(join(compiled, 'agent/pm2/find.js'))})
    console.log(JSON.stringify(findPm2(JSON.parse(process.argv[1]))))`
  const out = execFileSync(process.execPath, ['-e', code, JSON.stringify(binPath)], {
    env: { HOME: home, PATH: path },
    encoding: 'utf8',
  })
  return JSON.parse(out) as Pm2Search
}

function write(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
  chmodSync(file, 0o755)
}

/** PM2's package at `<root>`, as npm installs it. */
function installPackage(root: string, version: string, name = 'pm2'): string {
  write(join(root, 'bin/pm2'), '#!/usr/bin/env node\n')
  write(join(root, 'package.json'), JSON.stringify({ name, version }))
  return root
}

/** `npm install -g pm2` with this prefix. */
function installGlobally(prefix: string, version: string): string {
  const root = installPackage(join(prefix, 'lib/node_modules/pm2'), version)
  mkdirSync(join(prefix, 'bin'), { recursive: true })
  symlinkSync('../lib/node_modules/pm2/bin/pm2', join(prefix, 'bin/pm2'))
  return root
}

describe('PM2 is found', () => {
  test('on the PATH, behind npm’s link', () => {
    const home = folder()
    const path = installGlobally(join(home, 'prefix'), '7.0.4')
    expect(search(home, join(home, 'prefix/bin')).found).toEqual({ version: '7.0.4', path })
  })

  test('first in the folders that the user named, `~` included', () => {
    const home = folder()
    installGlobally(join(home, 'on-path'), '5.4.3')
    const path = installGlobally(join(home, 'named'), '7.0.4')
    for (const named of [join(home, 'named/bin'), '~/named/bin']) {
      expect(search(home, join(home, 'on-path/bin'), [named]).found).toEqual({ version: '7.0.4', path })
    }
  })

  test('where nvm keeps it, though the session’s PATH does not name it', () => {
    const home = folder()
    const path = installGlobally(join(home, '.nvm/versions/node/v22.1.0'), '6.0.14')
    expect(search(home, '/nowhere').found).toEqual({ version: '6.0.14', path })
  })

  test.each([
    '.npm-global',
    '.local',
    'n',
    '.linuxbrew',
    '.volta/tools/image/packages/pm2',
    '.asdf/installs/nodejs/22.1.0',
    '.asdf/installs/nodejs/22.1.0/.npm',
    '.local/share/mise/installs/node/22.1.0',
    '.local/share/mise/installs/npm-pm2/7.0.4',
    '.local/share/fnm/node-versions/v22.1.0/installation',
    '.nodenv/versions/22.1.0',
  ])('below ~/%s', (prefix) => {
    const home = folder()
    const path = installGlobally(join(home, prefix), '7.0.4')
    expect(search(home, '/nowhere').found).toEqual({ version: '7.0.4', path })
  })

  test.each([
    ['prefix=~/my globals', 'my globals'],
    ['fund = false\nprefix = "${HOME}/quoted"\n', 'quoted'],
  ])('where ~/.npmrc says that npm puts programs: %j', (npmrc, prefix) => {
    const home = folder()
    write(join(home, '.npmrc'), npmrc)
    const path = installGlobally(join(home, prefix), '7.0.4')
    expect(search(home, '/nowhere').found).toEqual({ version: '7.0.4', path })
  })

  test('behind a shim of a version manager, which is no PM2 itself', () => {
    const home = folder()
    write(join(home, '.volta/bin/volta-shim'), '#!/bin/sh\n')
    symlinkSync('volta-shim', join(home, '.volta/bin/pm2'))
    write(join(home, '.asdf/shims/pm2'), '#!/bin/sh\n')
    const path = installGlobally(join(home, '.volta/tools/image/packages/pm2'), '7.0.4')
    expect(search(home, '/nowhere').found).toEqual({ version: '7.0.4', path })
  })

  test('where pnpm put it: a script of its own beside its global folder', () => {
    const home = folder()
    const path = installPackage(join(home, '.local/share/pnpm/global/5/node_modules/pm2'), '7.0.4')
    write(join(home, '.local/share/pnpm/pm2'), '#!/bin/sh\n')
    expect(search(home, '/nowhere').found).toEqual({ version: '7.0.4', path })
  })

  test('behind a folder of the PATH that has something else of that name', () => {
    const home = folder()
    write(join(home, 'scripts/pm2'), '#!/bin/sh\n')
    installPackage(join(home, 'other'), '1.0.0', 'not-pm2')
    const path = installGlobally(join(home, 'prefix'), '7.0.4')
    const dirs = [join(home, 'scripts'), join(home, 'other/bin'), join(home, 'prefix/bin')].join(':')
    expect(search(home, dirs).found).toEqual({ version: '7.0.4', path })
  })
})

describe('PM2 is not found', () => {
  test('and every folder is named once, those of the user first', () => {
    const home = folder()
    const { searched } = search(home, `${home}/a:${home}/a:relative:${home}/b`, [`${home}/named`])
    expect(searched[0]).toBe(`${home}/named`)
    expect(searched).toEqual(expect.arrayContaining([`${home}/a`, `${home}/b`, `${home}/.npm-global/bin`]))
    expect(searched).not.toContain('relative')
    expect(new Set(searched).size).toBe(searched.length)
  })

  test('in a link to nowhere', () => {
    const home = folder()
    mkdirSync(join(home, 'bin'))
    symlinkSync('../gone', join(home, 'bin/pm2'))
    // Another PM2 may be installed on this machine: all that counts is that this one is not taken.
    expect(search(home, join(home, 'bin')).found?.path ?? '').not.toContain(home)
  })
})
