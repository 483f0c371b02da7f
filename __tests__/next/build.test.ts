import { readFileSync, statSync } from 'node:fs'
import { Writable } from 'node:stream'
import { describe, expect, test } from '@jest/globals'
import { build, doubtsAboutVariables, install, type StepOptions } from '../../src/next/build.ts'
import { readBuildOutput } from '../../src/next/output.ts'
import { until } from '../support/until.ts'
import { Folder, folders } from './folder.ts'

const folder = folders()

/** Collects what would go to the job's log. */
class Log extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

/** An app whose build script is this JavaScript. */
function appThatBuilds(script: string): Folder {
  return folder()
    .write('package.json', { scripts: { build: 'node build.cjs' } })
    .write('package-lock.json', '{}')
    .write('build.cjs', script)
}

function options(app: Folder, more: Partial<StepOptions> = {}): StepOptions {
  return { directory: app.path, workspace: app.path, log: new Log(), ...more }
}

const SAVE_ENVIRONMENT = `node -p 'JSON.stringify(process.env)' > environment.json`

function savedEnvironment(app: Folder): Record<string, string> {
  return JSON.parse(readFileSync(app.at('environment.json'), 'utf8')) as Record<string, string>
}

describe('build', () => {
  test('runs the app’s build script, which leaves a build', async () => {
    const app = appThatBuilds(`
      const { mkdirSync, writeFileSync } = require('node:fs')
      mkdirSync('.next/standalone', { recursive: true })
      mkdirSync('.next/static')
      writeFileSync('.next/standalone/server.js', '')
      writeFileSync('.next/BUILD_ID', 'x')
      const output = process.env.NEXT_PRIVATE_STANDALONE ? 'standalone' : undefined
      const content = { relativeAppDir: '', config: { output, distDir: '.next' } }
      writeFileSync('.next/required-server-files.json', JSON.stringify(content))
    `)
    expect(await build(options(app))).toEqual(['npm', 'run', 'build'])
    expect(readBuildOutput(app.path).entry).toBe('server.js')
  })

  test('shows no word of a command of the user’s to other users, who may read every command line', async () => {
    const app = appThatBuilds('')
    const command = [
      'TOKEN=hunter2-of-the-workflow',
      'for pid in $$ $PPID; do tr "\\0" " " < /proc/$pid/cmdline; done > command-lines',
      SAVE_ENVIRONMENT,
      'cat',
    ].join('\n')
    await build(options(app, { command }))
    const lines = readFileSync(app.at('command-lines'), 'utf8')
    expect(lines).toContain('/bin/sh -e -c ')
    expect(lines).not.toContain('hunter2')
    expect(JSON.stringify(savedEnvironment(app))).not.toContain('hunter2')
  })

  test('streams the output to the log', async () => {
    const log = new Log()
    await build(options(appThatBuilds(`console.log('out'); console.error('err')`), { log }))
    expect(log.text).toContain('out\n')
    expect(log.text).toContain('err\n')
  })

  test('runs build-command by the shell in the app’s folder', async () => {
    const app = folder().write('package.json', {})
    await build(
      options(app, {
        command: 'echo "one  two" > "$NAME" && pwd >> "$NAME"',
        environment: env({ NAME: 'a b' }),
      }),
    )
    expect(readFileSync(app.at('a b'), 'utf8')).toBe(`one  two\n${app.path}\n`)
  })

  test('stops at the first line of build-command that fails', async () => {
    const app = folder()
    const result = build(options(app, { command: 'false\ntouch reached' }))
    await expect(result).rejects.toMatchObject({ code: 'build-failed' })
    expect(() => readFileSync(app.at('reached'))).toThrow('ENOENT')
  })

  test('is skipped by none, without looking at the app', async () => {
    expect(await build(options(folder(), { command: 'none' }))).toBeUndefined()
  })

  test('sees no input, token or file of the action, and the rest of the environment', async () => {
    const app = appThatBuilds(
      `require('node:fs').writeFileSync('environment.json', JSON.stringify(process.env))`,
    )
    const secrets = {
      INPUT_KEY: 'PRIVATE KEY',
      'INPUT_KNOWN-HOSTS': 'host',
      STATE_lease: 'x',
      ACTIONS_RUNTIME_TOKEN: 'token',
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'token',
      GITHUB_OUTPUT: '/output',
      GITHUB_STATE: '/state',
      GITHUB_STEP_SUMMARY: '/summary',
      GITHUB_ENV: '/env',
      GITHUB_PATH: '/path',
    }
    const rest = {
      GITHUB_SHA: 'abc',
      GITHUB_ENVIRONMENT: 'production',
      CI: 'true',
      DATABASE_URL: 'postgres://x',
    }
    await build(options(app, { environment: env({ ...secrets, ...rest }) }))
    const seen = savedEnvironment(app)
    expect(seen).toMatchObject({ ...rest, NEXT_PRIVATE_STANDALONE: 'true', NEXT_TELEMETRY_DISABLED: '1' })
    expect(Object.keys(seen).filter((name) => name in secrets)).toEqual([])
  })

  test('takes this process’s environment when none is given, and its inputs are withheld as well', async () => {
    const app = folder()
    process.env.INPUT_KEY = 'PRIVATE KEY'
    try {
      await build(options(app, { command: SAVE_ENVIRONMENT }))
    } finally {
      delete process.env.INPUT_KEY
    }
    expect(savedEnvironment(app)).toHaveProperty('PATH', process.env.PATH)
    expect(savedEnvironment(app)).not.toHaveProperty('INPUT_KEY')
  })

  test('waits for no answer: standard input is closed', async () => {
    await build(options(folder(), { command: 'if read answer; then exit 1; fi' }))
  })
})

describe('a build that fails', () => {
  test('says how, with the last lines of both streams as evidence', async () => {
    const app = appThatBuilds(`
      for (let line = 0; line < 300; line++) console.log('line ' + line)
      process.stderr.write('\\u001b[31mType error: \\u00e9\\u001b[39m')
      process.exitCode = 3
    `)
    const failure = await build(options(app)).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'build-failed',
      message: `\`npm run build\` failed with exit code 3 in "${app.path}".`,
      remedy: expect.stringContaining('build-command'),
    })
    const lines = (failure as { evidence: string }).evidence.split('\n')
    expect(lines).toHaveLength(200)
    // The two streams are read side by side, so the order between them is not certain.
    expect(lines).toContain('line 299')
    expect(lines.join('\n')).toContain('Type error: é')
  })

  test('never shows half a line, however long the lines are', async () => {
    const line = 'x'.repeat(999)
    const command = `node -e "console.log(('x'.repeat(999) + '\\n').repeat(500))"; exit 1`
    const failure = await build(options(folder(), { command })).catch((error: unknown) => error)
    expect(new Set((failure as { evidence: string }).evidence.split('\n'))).toEqual(new Set([line]))
  })

  test('is no success when a signal killed it', async () => {
    await expect(build(options(folder(), { command: 'kill -KILL $$' }))).rejects.toMatchObject({
      code: 'build-failed',
      message: expect.stringContaining('was killed'),
      remedy: expect.stringContaining('memory'),
    })
  })

  test('when a program is not there', async () => {
    const app = folder().write('package.json', {}).write('bun.lock', '{}')
    const environment = env({ PATH: app.path })
    await expect(build(options(app, { environment }))).rejects.toMatchObject({
      code: 'build-failed',
      message: `\`bun run next build\` could not be started in "${app.path}".`,
      remedy: expect.stringContaining('Set up bun'),
      evidence: expect.stringMatching(/not found|not on the PATH/),
    })
  })
})

describe('a process that a command leaves behind', () => {
  const pidIn = (app: Folder, file = 'pid') => Number(readFileSync(app.at(file), 'utf8'))

  test('is ended with the command, also when it ignores SIGTERM or has a session of its own', async () => {
    const app = folder()
    const command = [
      'sleep 600 & echo $! > plain',
      `(trap '' TERM; while :; do sleep 0.1; done) & echo $! > stubborn`,
      `setsid sh -c 'echo $$ > session; exec sleep 600' &`,
      'until [ -s session ]; do :; done',
    ].join('\n')
    await build(options(app, { command }))
    for (const file of ['plain', 'stubborn', 'session'])
      await until(`${file} is gone`, () => !isAlive(pidIn(app, file)))
  })

  test('is not heard any more, even when it hides and cannot be ended', async () => {
    const app = folder()
    const log = new Log()
    const late =
      'echo $$ > pid; while :; do echo "::set-output name=status::hacked"; echo >> said; sleep 0.02; done'
    const command = `env -i PATH="$PATH" setsid sh -c '${late}' & until [ -s said ]; do :; done`
    await build(options(app, { command, log }))
    try {
      const [heard, said] = [log.text, statSync(app.at('said')).size]
      expect(heard).toContain('hacked')
      await until('it speaks again', () => statSync(app.at('said')).size > said + 3)
      expect(log.text).toBe(heard)
    } finally {
      process.kill(pidIn(app), 'SIGKILL')
    }
  })
})

describe('a variable that the build misses and the input env has', () => {
  /** What @t3-oss/env-nextjs prints (0.12 and 0.13), and what others throw. */
  const complaints = [
    `❌ Invalid environment variables: { DATABASE_URL: [ 'Required' ] }`,
    `[ { code: 'invalid_type', path: [ 'DATABASE_URL' ], message: 'Invalid input' } ]`,
    'Error: Environment variable not found: DATABASE_URL.',
  ]
  const runTimeVariables = ['DATABASE_URL', 'DATABASE_URL_REPLICA', 'URL']

  test.each(complaints)('is named with where to put it: %s', async (complaint) => {
    const app = appThatBuilds(`console.error(${JSON.stringify(complaint)}); process.exitCode = 1`)
    await expect(build(options(app, { runTimeVariables }))).rejects.toMatchObject({
      code: 'build-failed',
      remedy:
        'Put `DATABASE_URL` into `env:` of this step, beside `with:`: the build does not see the input `env`.',
    })
  })

  test('is named by the installation as well', async () => {
    const command = `echo 'DATABASE_URL is not set'; exit 1`
    await expect(install(options(folder(), { command, runTimeVariables }))).rejects.toMatchObject({
      code: 'install-failed',
      remedy: expect.stringContaining('Put `DATABASE_URL` into `env:`'),
    })
  })

  test.each<[string, (app: Folder) => Partial<StepOptions>]>([
    ['the step has it', () => ({ environment: env({ DATABASE_URL: 'postgres://x' }), runTimeVariables })],
    ['an .env file has it', (app) => (app.write('.env', 'DATABASE_URL=x'), { runTimeVariables })],
    ['the input env does not have it', () => ({ runTimeVariables: ['REDIS_URL'] })],
  ])('is no reason where %s', async (_, given) => {
    const app = appThatBuilds(`console.error('DATABASE_URL is unreachable'); process.exitCode = 1`)
    await expect(build(options(app, given(app)))).rejects.toMatchObject({
      remedy: expect.not.stringContaining('DATABASE_URL'),
    })
  })

  test('is warned of where pages in a browser would read it', () => {
    const runTimeVariables = ['NEXT_PUBLIC_API', 'NEXT_PUBLIC_SEEN', 'SECRET', 'NEXT_PUBLIC_FILE']
    const app = folder().write('.env.production', 'export NEXT_PUBLIC_FILE=x')
    const environment = { NEXT_PUBLIC_SEEN: 'x' }
    const given = options(app, { runTimeVariables, environment })
    expect(doubtsAboutVariables(given)).toEqual([expect.stringMatching(/^`NEXT_PUBLIC_API` is in the input/)])
    expect(doubtsAboutVariables({ ...given, command: 'none' })).toEqual([])
  })
})

describe('install', () => {
  test('runs the frozen install where the lockfile is', async () => {
    const repository = folder()
      .write('package.json', {
        name: 'root',
        version: '1.0.0',
        workspaces: ['apps/*'],
        scripts: { postinstall: 'touch installed' },
      })
      .write('apps/web/package.json', { name: 'web', version: '1.0.0' })
      .write('package-lock.json', {
        name: 'root',
        version: '1.0.0',
        lockfileVersion: 3,
        requires: true,
        packages: {
          '': { name: 'root', version: '1.0.0', hasInstallScript: true, workspaces: ['apps/*'] },
          'apps/web': { version: '1.0.0' },
          'node_modules/web': { resolved: 'apps/web', link: true },
        },
      })
    const argv = await install(
      options(repository, {
        directory: repository.at('apps/web'),
        environment: env({ npm_config_ignore_scripts: 'false' }),
      }),
    )
    expect(argv).toEqual(['npm', 'ci'])
    expect(readFileSync(repository.at('installed'), 'utf8')).toBe('')
    expect(readFileSync(repository.at('node_modules/web/package.json'), 'utf8')).toContain('web')
  })

  test('runs install-command in the app’s folder, lockfile or not', async () => {
    const app = folder()
    await install(options(app, { command: 'touch installed' }))
    expect(readFileSync(app.at('installed'), 'utf8')).toBe('')
  })

  test('does not see the key, nor a NODE_ENV that would leave out what the build needs', async () => {
    const app = folder()
    const environment = env({ INPUT_KEY: 'PRIVATE KEY', NODE_ENV: 'production', CI: 'true' })
    await install(options(app, { command: SAVE_ENVIRONMENT, environment }))
    expect(savedEnvironment(app)).toHaveProperty('CI', 'true')
    expect(savedEnvironment(app)).not.toHaveProperty('NODE_ENV')
    expect(savedEnvironment(app)).not.toHaveProperty('INPUT_KEY')
  })

  test('is skipped by none, without a lockfile', async () => {
    expect(await install(options(folder(), { command: 'none' }))).toBeUndefined()
  })

  test('fails with its own code and the package manager’s words', async () => {
    const app = folder()
      .write('package.json', { dependencies: { left: '1.0.0' } })
      .write('package-lock.json', { lockfileVersion: 3, packages: { '': {} } })
    await expect(install(options(app))).rejects.toMatchObject({
      code: 'install-failed',
      message: `\`npm ci\` failed with exit code 1 in "${app.path}".`,
      evidence: expect.stringContaining('package-lock.json'),
    })
  })

  test('needs a lockfile', async () => {
    const app = folder().write('package.json', {})
    await expect(install(options(app))).rejects.toMatchObject({ code: 'no-lockfile' })
  })
})

/** This process's environment and these. */
function env(more: Record<string, string>): NodeJS.ProcessEnv {
  return { ...process.env, ...more }
}

/** A zombie has exited. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
