/** Where secrets never are: on a command line, in a file of the runner, in what a run shows. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { watchCommandLines } from '../support/command-lines.ts'
import { temporaryFolders } from '../support/folder.ts'
import { runAction } from '../support/runner.ts'
import { type Sshd, startSshd } from '../support/sshd.ts'
import { record } from './attack.ts'

const folder = temporaryFolders()
const secrets = {
  passphrase: 'a passphrase with $(id) in it',
  password: 'a password with "quotes" in it',
  env: 'TOKEN=a-token-of-the-app\nPEM="first line of it\nsecond line of it"',
}
const words = ['a passphrase with', 'a password with', 'a-token-of-the-app', 'second line of it']

let sshd: Sshd
let key: string
beforeAll(async () => {
  const file = join(folder(), 'key')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', secrets.passphrase, '-C', '', '-f', file])
  key = readFileSync(file, 'utf8')
  sshd = await startSshd({ extraConfig: `AuthorizedKeysFile ${file}.pub`, env: { HOME: folder() } })
})
afterAll(() => sshd.stop())

test('a run leaves no secret on a command line, in a file or in its report', async () => {
  const own = folder()
  const places = Object.fromEntries(['HOME', 'TMPDIR', 'RUNNER_TEMP'].map((name) => [name, join(own, name)]))
  for (const place of Object.values(places)) mkdirSync(place)
  const body = key.split('\n')[2]!
  const watch = watchCommandLines([...words, body])
  const run = await runAction({
    workspace: own,
    env: places,
    inputs: {
      ...secrets,
      command: 'status',
      'app-name': 'web',
      'bin-path': '/opt/a-token-of-the-app-is-no-name',
      host: '127.0.0.1',
      port: String(sshd.port),
      username: sshd.username,
      key,
      fingerprint: sshd.fingerprint,
    },
  })
  const { found, looks } = watch.stop()
  expect(found).toEqual([])
  expect(looks).toBeGreaterThan(5)
  expect(run.masked).toEqual(
    expect.arrayContaining([secrets.passphrase, secrets.password, 'a-token-of-the-app', body]),
  )
  // Even where a secret is, by mistake, a part of something that is shown.
  expect(run.summary).toContain('/opt/***-is-no-name')
  const left = filesBelow(own).filter((file) => {
    const text = readFileSync(file, 'latin1')
    return [...words, body].some((word) => text.includes(word))
  })
  expect(left).toEqual([])
  for (const word of [...words, body]) expect(run.log + run.summary).not.toContain(word)
  record('Secrets: command lines, files of the runner, report', words.length + 1, 0)
}, 30_000)

function filesBelow(path: string): readonly string[] {
  return readdirSync(path).flatMap((name) => {
    const file = join(path, name)
    return statSync(file).isDirectory() ? filesBelow(file) : [file]
  })
}
