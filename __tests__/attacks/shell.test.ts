/** Shell metacharacters, everywhere that a text comes near a shell: none is ever more than a name. */
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { openAgent } from '../../src/agent-client/agent-session.ts'
import { agentOf } from '../support/agent.ts'
import { compile } from '../support/compile.ts'
import { temporaryFolders } from '../support/folder.ts'
import { localShell } from '../support/local-shell.ts'
import { attack, hostile, thorough } from './attack.ts'

const folder = temporaryFolders()
let compiled: string
beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))

const shells = ['sh', 'dash', 'bash', 'zsh', 'fish', 'tcsh'].flatMap((name) => {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/bin', '/usr/bin']
  return folders
    .map((each) => join(each, name))
    .filter((file) => existsSync(file))
    .slice(0, 1)
})

/** What a path of the inputs can hold: anything but control characters, and what a file's name cannot. */
const name = hostile
  .map((text) => text.slice(0, 60).replace(/[\p{Cc}\p{Cs}/]/gu, ''))
  .filter((text) => !/^\.{0,2}$/.test(text) && Buffer.byteLength(text) < 200)

test.each(shells)(
  'paths, names and folders of programs, under %s',
  async (shell) => {
    const home = folder()
    const tools = folder()
    // Left by the Node in the folder with the odd name.
    const mark = join(folder(), 'used')
    for (const tool of ['cat', 'readlink', 'touch']) symlinkSync(`/bin/${tool}`, join(tools, tool))
    await attack({
      surface: 'Shells: metacharacters in paths and names',
      inputs: fc.tuple(name, name, name),
      // Each starts a shell and Node twice.
      runs: [3, 60],
      holds: async ([path, bin, app]) => {
        mkdirSync(join(home, bin), { recursive: true })
        const code = `#!/bin/sh\n: >'${mark}'\nexec '${process.execPath}' "$@"\n`
        writeFileSync(join(home, bin, 'node'), code, { mode: 0o755 })
        const one = localShell({ shell, env: { HOME: home, PATH: tools } })
        try {
          const options = { appName: app, binPath: [join(home, bin), `~/${bin}`] }
          const agent = await openAgent(
            one,
            agentOf(compiled, { path: `apps/${path}`, options, persist: true }),
            20_000,
          )
          const facts = await agent.call('inspect', {})
          agent.close()
          // What fish makes for itself.
          const made = readdirSync(home)
            .filter((each) => !['.config', '.local', '.cache'].includes(each))
            .sort()
          return (
            facts.path === join(home, 'apps', path) &&
            facts.searched[0] === join(home, bin) &&
            existsSync(mark) &&
            JSON.stringify(made) === JSON.stringify([...new Set([bin, 'apps'])].sort()) &&
            readdirSync(join(home, 'apps')).length === 1
          )
        } finally {
          one.kill()
          rmSync(mark, { force: true })
          for (const each of readdirSync(home)) rmSync(join(home, each), { recursive: true, force: true })
        }
      },
    })
  },
  thorough ? 300_000 : 30_000,
)

test('at least the shells of every system were tried', () => {
  expect(shells.length).toBeGreaterThan(0)
})
