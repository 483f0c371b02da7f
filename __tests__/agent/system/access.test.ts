/** As a user that owns less than root does. Needs root. */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { compile } from '../../support/compile.ts'
import { SEE_CHECK } from '../../../src/common/errors/text.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()
const asRoot = process.getuid?.() === 0 ? describe : describe.skip
const NOBODY = 65_534

let compiled: string
let home: string
let app: string
beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
beforeEach(() => {
  home = folder()
  chmodSync(home, 0o755)
  app = own(join(home, 'app'))
})

/** A folder that belongs to nobody, the user. */
function own(path: string): string {
  mkdirSync(path)
  chownSync(path, NOBODY, NOBODY)
  return path
}

/** What the agent says of this server to nobody, the user. */
function inspect(pm2Home: string): Record<string, unknown> {
  return run(`
    const { inspectServer } = require('${compiled}/agent/operations/inspect.js')
    const { layoutOf } = require('${compiled}/agent/store/layout.js')
    become()
    inspectServer(layoutOf(${JSON.stringify(app)}), { found: null, searched: [] }, ${JSON.stringify(pm2Home)})`)
}

function run(code: string): Record<string, unknown> {
  const program = `
    const become = () => { process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY}) }
    ${code}.then(() => ({}), ({ code, message, remedy }) => ({ code, message, remedy }))
      .then((said) => console.log(JSON.stringify(said)))`
  return JSON.parse(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' })) as Record<
    string,
    unknown
  >
}

asRoot('a home that belongs to root', () => {
  test('fails before the build, and the remedy creates PM2’s folder in it', () => {
    expect(inspect(join(home, '.pm2'))).toMatchObject({
      code: 'path-not-writable',
      message: `User "nobody" may not write in "${home}": it belongs to root.`,
      remedy: expect.stringContaining(`sudo install -d -o nobody '${join(home, '.pm2')}'`),
    })
  })

  test('is fine where PM2 has its folder in it', () => {
    own(join(home, '.pm2'))
    expect(inspect(join(home, '.pm2'))).toEqual({})
  })
})

asRoot('a file in the place of the app’s folder', () => {
  test('fails with a message that says so', () => {
    writeFileSync(join(app, 'file'), '')
    app = join(app, 'file/site')
    own(join(home, '.pm2'))
    expect(inspect(join(home, '.pm2'))).toMatchObject({
      message: `User "nobody" may not write in "${join(home, 'app/file')}": it is not a folder.`,
      remedy: `Move the file away, or set \`path\` to another folder. ${SEE_CHECK}`,
    })
  })
})

asRoot('PM2’s folder', () => {
  test.each(['logs', 'pids', 'pm2.log'])('is refused where its %s belong to root', (name) => {
    const pm2Home = own(join(home, '.pm2'))
    const path = join(pm2Home, name)
    if (name.includes('.')) writeFileSync(path, '')
    else mkdirSync(path)
    expect(inspect(pm2Home)).toMatchObject({
      message: `User "nobody" may not write in "${path}": it belongs to root.`,
      remedy: expect.stringContaining(`sudo chown -R nobody '${pm2Home}'`),
    })
  })
})

asRoot('an EACCES of a system call', () => {
  test('becomes a failure with the remedy for its path', () => {
    const closed = join(home, 'elsewhere')
    mkdirSync(closed)
    const path = join(closed, 'a/b')
    const said = run(`
      const { toFailure } = require('${compiled}/agent/system/system-error.js')
      become()
      require('node:fs').promises.mkdir(${JSON.stringify(path)}, { recursive: true }).catch((error) => { throw toFailure(error) })`)
    expect(said).toMatchObject({
      message: `User "nobody" may not write in "${closed}": it belongs to root.`,
      remedy: `Run on the server: \`sudo chown -R nobody '${closed}'\`. ${SEE_CHECK}`,
    })
  })
})
