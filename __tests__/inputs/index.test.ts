import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { appNameFromPackage, type Inputs, maskingOf, readInputs } from '../../src/inputs/index.ts'
import { Failure } from '../../src/common/failure.ts'

const fingerprint = `SHA256:${'A'.repeat(43)}`
const otherFingerprint = `SHA256:${'B'.repeat(42)}A`
const key =
  '-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0LWxpbmUtMQ\nc2VjcmV0LWxpbmUtMg\n-----END OPENSSH PRIVATE KEY-----\n'

/** The least that a deploy needs. */
const required = { host: 'example.com', username: 'deploy', key, fingerprint }

type Texts = Readonly<Record<string, string | undefined>>

/** The environment as a runner passes it. */
function runner(inputs: Texts, environment: Texts = {}): NodeJS.ProcessEnv {
  const named = Object.entries(inputs).map(([name, text]) => [`INPUT_${name.toUpperCase()}`, text])
  return { ...Object.fromEntries(named), ...environment }
}

const read = (inputs: Texts = {}, environment: Texts = {}): Inputs =>
  readInputs(runner({ ...required, ...inputs }, environment))

function failureOf(inputs: Texts, environment: Texts = {}): Failure {
  try {
    read(inputs, environment)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('the inputs were accepted')
}

const messageOf = (inputs: Texts): string => failureOf(inputs).message

describe('with only what is required', () => {
  test('everything else has its default', () => {
    const absent = {
      release: null,
      key,
      passphrase: null,
      password: null,
      'known-hosts': null,
      'proxy-host': null,
      'proxy-port': null,
      'proxy-username': null,
      'proxy-key': null,
      'proxy-passphrase': null,
      'proxy-password': null,
      'proxy-fingerprint': [],
      path: null,
      'app-name': null,
      'bin-path': [],
      'install-command': null,
      'allow-vulnerable': [],
      'node-version': '24',
      'build-command': null,
      'app-port': null,
      'app-host': null,
      'max-memory': null,
      'node-options': null,
      env: null,
      'shared-dirs': [],
      'shared-files': [],
      'health-check-body': null,
      'health-check-url': null,
      'health-check-host': null,
      'pre-activate': null,
      'post-activate': null,
      proxy: null,
      repository: null,
      preview: null,
      url: null,
      'github-token': null,
      environment: null,
    }
    expect(read()).toEqual({
      ...absent,
      command: 'deploy',
      'dry-run': false,
      host: [{ host: 'example.com', port: null, username: null }],
      port: 22,
      username: 'deploy',
      fingerprint: [fingerprint],
      targets: [
        {
          host: 'example.com',
          port: 22,
          username: 'deploy',
          login: { key, passphrase: null, password: null, agentSocket: null },
          hostKey: { knownHosts: null, fingerprints: [fingerprint] },
        },
      ],
      'connect-timeout': 30_000,
      'working-directory': '.',
      instances: 2,
      'health-check-path': '/',
      'health-check-status': [[200, 399]],
      'health-check-timeout': 60_000,
      'health-check-interval': 1000,
      'share-cache': true,
      'candidate-check': true,
      'test-command': null,
      'test-timeout': 600_000,
      observe: 5000,
      canary: 0,
      watch: 0,
      'drain-timeout': 30_000,
      'lock-timeout': 600_000,
      'keep-releases': 5,
      'preview-ttl': 1_209_600_000,
      'preview-limit': 10,
      batch: { hosts: 1 },
      'max-parallel': 10,
      apiUrl: 'https://api.github.com',
      pullRequest: null,
      publicUrl: null,
      said: { port: null, host: null },
      runtime: {
        port: 3000,
        host: '127.0.0.1',
        instances: 2,
        maxMemoryBytes: null,
        nodeOptions: [],
        env: {},
        health: {
          path: '/',
          status: [[200, 399]],
          body: null,
          timeoutMs: 60_000,
          intervalMs: 1000,
          origin: null,
        },
        observeMs: 5000,
        drainTimeoutMs: 30_000,
        sharedDirs: [],
        sharedFiles: [],
        shareCache: true,
        socket: null,
      },
      workspace: process.cwd(),
      run: {
        commit: '',
        ref: '',
        actor: '',
        event: '',
        runUrl: '',
        workflow: '',
        runNumber: 0,
        runAttempt: 1,
      },
      warnings: [],
    })
  })

  test('a blank input counts as not given', () => {
    expect(read({ observe: ' ', 'app-name': '', env: '\n', 'bin-path': '' })).toEqual(read())
  })

  test('texts are trimmed, keys kept as they are, passwords freed of line ends only', () => {
    const inputs = read({ 'health-check-body': ' ok\n', key: `${key}\n`, password: ' p w \r\n' })
    expect(inputs.runtime.health.body).toBe('ok')
    expect(inputs.targets[0]?.login.key).toBe(`${key}\n`)
    expect(inputs.targets[0]?.login.password).toBe(' p w ')
  })
})

describe('what is missing', () => {
  test.each([
    ['host', 'Input `host` is required'],
    ['username', 'Input `username` is required'],
    ['key', 'Input `key` is required'],
    ['fingerprint', 'Input `known-hosts` or `fingerprint` is required'],
  ])('without %s', (name, message) => {
    const failure = failureOf({ [name]: '' })
    expect(failure.code).toBe('missing-input')
    expect(failure.message).toContain(message)
    expect(failure.remedy).toContain('Workflow runs from forks and from Dependabot get empty secrets')
  })

  test('an agent or a password does in place of a key', () => {
    expect(read({ key: '' }, { SSH_AUTH_SOCK: '/tmp/agent' }).targets[0]?.login.agentSocket).toBe(
      '/tmp/agent',
    )
    expect(read({ key: '', password: 'pw' }).targets[0]?.login.password).toBe('pw')
  })

  test('everything at once, in one failure', () => {
    const failure = failureOf({ host: '', username: '', key: '', fingerprint: '' })
    expect(failure.code).toBe('missing-input')
    expect(failure.message).toContain('3 inputs cannot be used:\n- Input `host` is required')
    expect(failure.message).toContain('\n- Input `key` is required')
    expect(failure.message).toContain('\n- Input `known-hosts` or `fingerprint` is required')
    expect(failure.remedy).toMatch(/^Set `host` .*\. Set `key` .*\. If the value comes from a secret, /)
    expect(failure.remedy?.split('get empty secrets')).toHaveLength(2)
  })

  test('an invalid input alone says nothing of secrets', () => {
    expect(failureOf({ observe: 'x' }).remedy).not.toContain('secret')
  })
})

describe('what is invalid', () => {
  test('is named with what was given and what is accepted', () => {
    const failure = failureOf({ observe: '5 minutes' })
    expect(failure.code).toBe('invalid-input')
    expect(failure.message).toBe(
      'Input `observe` must be a duration such as 500ms, 30s or 10m, but is "5 minutes".',
    )
    expect(failure.remedy).toContain('Correct the input in the workflow')
  })

  test('several problems of different kinds come in one failure', () => {
    const failure = failureOf({ observe: 'x', 'app-port': '0', host: '' })
    expect(failure.code).toBe('invalid-input')
    expect(failure.message.split('\n')).toEqual([
      '3 inputs cannot be used:',
      '- Input `app-port` must be a whole number from 1 to 65535, but is "0".',
      '- Input `observe` must be a duration such as 500ms, 30s or 10m, but is "x".',
      '- Input `host` is required.',
    ])
  })

  test('line breaks cannot forge a line of the log', () => {
    expect(messageOf({ command: 'deploy\n::set-output::' })).not.toContain('\n')
  })

  test('a long value is not shown', () => {
    const long = 'x'.repeat(101)
    expect(messageOf({ command: long })).toBe(
      'Input `command` must be deploy, rollback, status, stage, promote, preview, preview-remove, check or setup; the value is not shown, because it has 101 characters.',
    )
  })

  test.each(['host', 'fingerprint', 'command', 'username', 'bin-path'])(
    'a key pasted into %s is not shown',
    (name) => {
      expect(messageOf({ [name]: key.replace('c2VjcmV0', '::c2VjcmV0') })).not.toContain('c2VjcmV0')
    },
  )
})

describe('command, release and dry-run', () => {
  test.each(['deploy', 'rollback', 'status', 'stage', 'promote'])('%s is a command', (command) => {
    expect(read({ command }).command).toBe(command)
  })

  test('another command is refused', () => {
    expect(messageOf({ command: 'destroy' })).toBe(
      'Input `command` must be deploy, rollback, status, stage, promote, preview, preview-remove, check or setup, but is "destroy".',
    )
  })

  test('a stage, and a test, need the candidate', () => {
    const without = { 'candidate-check': 'false', 'test-command': 'npm test' }
    expect(messageOf({ ...without, command: 'stage', 'test-command': '' })).toBe(
      'Input `candidate-check` must be true for `command: stage`, which needs a candidate.',
    )
    expect(messageOf(without)).toContain('for `test-command`')
    expect(read({ ...without, command: 'promote' })).toMatchObject({ 'test-timeout': 600_000 })
  })

  test('release is an id, and belongs to rollback and promote', () => {
    expect(read({ command: 'promote', release: '20261120155203' }).release).toBe('20261120155203')
    expect(read({ command: 'rollback', release: '20261120155203' }).release).toBe('20261120155203')
    expect(messageOf({ command: 'rollback', release: '../x' })).toContain('but is "../x"')
    expect(messageOf({ release: '20261120155203' })).toContain('needs `command: rollback`')
  })

  test.each(['true', 'True', 'TRUE'])('%s is true', (text) => {
    expect(read({ 'dry-run': text, 'candidate-check': text })).toMatchObject({
      'dry-run': true,
      'candidate-check': true,
    })
  })

  test.each(['false', 'False', 'FALSE'])('%s is false', (text) => {
    expect(read({ 'dry-run': text, 'candidate-check': text })).toMatchObject({
      'dry-run': false,
      'candidate-check': false,
    })
  })

  test.each(['yes', 'on', '1', 'tRUE'])('%s is no boolean', (text) => {
    expect(messageOf({ 'dry-run': text })).toBe(`Input \`dry-run\` must be true or false, but is "${text}".`)
  })
})

describe('host', () => {
  test.each([
    ['example.com', { host: 'example.com', port: 22, username: 'deploy' }],
    ['example.com:2222', { host: 'example.com', port: 2222, username: 'deploy' }],
    ['root@10.0.0.1', { host: '10.0.0.1', port: 22, username: 'root' }],
    ['me@corp.example@my_host:2200', { host: 'my_host', port: 2200, username: 'me@corp.example' }],
    ['[2001:db8::1]', { host: '2001:db8::1', port: 22, username: 'deploy' }],
    ['app@[2001:db8::1]:2222', { host: '2001:db8::1', port: 2222, username: 'app' }],
  ])('%s', (host, address) => {
    expect(read({ host }).targets).toEqual([expect.objectContaining(address)])
  })

  test('port is for a host that names none', () => {
    expect(read({ host: 'example.com', port: '2022' }).targets[0]?.port).toBe(2022)
    expect(read({ host: 'example.com:22', port: '2022' }).targets[0]?.port).toBe(22)
  })

  test('username is not needed when the host names one', () => {
    expect(read({ host: 'root@example.com', username: '' }).targets[0]?.username).toBe('root')
  })

  test.each([
    'two words',
    '-oProxyCommand=x',
    'example.com:0',
    'example.com:65536',
    'example.com:',
    '2001:db8::1',
    '[nonsense]',
    '@example.com',
    '-x@example.com',
    'ssh://example.com',
    'example.com/path',
  ])('%s is refused', (host) => {
    expect(messageOf({ host })).toBe(
      `Input \`host\` must be [user@]host[:port] without a password, with an IPv6 address in brackets, but contains "${host}".`,
    )
  })

  test('a password in it is refused and not shown', () => {
    const message = messageOf({ host: 'deploy:hunter2@example.com' })
    expect(message).toContain('without a password')
    expect(message).not.toContain('hunter2')
  })

  test('a separator alone is no host', () => {
    expect(messageOf({ host: ',' })).toContain('but is ","')
  })

  test.each(['a.example\nroot@b.example:2222', 'a.example, root@b.example:2222'])(
    'several servers stand on lines of their own, or between commas',
    (host) => {
      expect(read({ host }).targets).toMatchObject([
        { host: 'a.example', port: 22, username: 'deploy' },
        { host: 'b.example', port: 2222, username: 'root' },
      ])
    },
  )

  test('a server that is named twice is refused', () => {
    expect(messageOf({ host: 'a.example, b.example, me@a.example' })).toBe(
      'Input `host` must name each server once, but names "a.example" twice.',
    )
  })

  test.each([
    ['a\na:22', '22', 'a'],
    ['a:2222\na', '2222', 'a'],
    ['A.example\na.example', '22', 'a.example'],
    ['[2001:DB8::1]:22\n[2001:db8::1]', '22', '2001:db8::1'],
  ])('%j with port %s names one server twice, however it is written', (host, port, name) => {
    expect(messageOf({ host, port })).toBe(
      `Input \`host\` must name each server once, but names "${name}" twice.`,
    )
  })

  test('ports of their own make servers of one name different ones', () => {
    expect(read({ host: 'a\na:22', port: '2222' }).targets.map(({ port }) => port)).toEqual([2222, 22])
  })

  test.each([
    ['3', { hosts: 3 }],
    ['25%', { percent: 25 }],
  ])('batch %s', (batch, expected) => {
    expect(read({ batch }).batch).toEqual(expected)
  })

  test.each(['0', '0%', '101%', '-1', 'half', '1.5'])('batch %s is refused', (batch) => {
    expect(messageOf({ batch })).toBe(
      `Input \`batch\` must be a number of hosts such as 2, or a percentage from 1% to 100%, but is "${batch}".`,
    )
  })

  test.each(['0', '65536', '22.5', '0x16', '-1', 'ssh'])('port %s is refused', (port) => {
    expect(messageOf({ port })).toBe(
      `Input \`port\` must be a whole number from 1 to 65535, but is "${port}".`,
    )
  })
})

describe('host identity', () => {
  test('fingerprints come one per line or between commas, padding or not', () => {
    expect(
      read({ fingerprint: `${fingerprint}=\n${otherFingerprint},` }).targets[0]?.hostKey.fingerprints,
    ).toEqual([fingerprint, otherFingerprint])
  })

  test('advisories are named by the ids that Gapless knows, in upper or lower case', () => {
    const ids = 'cve-2025-29927\nCVE-2025-55182'
    expect(read({ 'allow-vulnerable': ids })['allow-vulnerable']).toEqual([
      'CVE-2025-29927',
      'CVE-2025-55182',
    ])
  })

  test.each(['true', 'all', 'CVE-2025-29928', '*'])('the advisory %j cannot be used', (id) => {
    const { message } = failureOf({ ...required, 'allow-vulnerable': id })
    expect(message).toContain('`allow-vulnerable`')
    expect(message).toContain(id)
    expect(message).toContain('CVE-2025-66478, CVE-2025-55182, CVE-2025-29927')
  })

  test('the lines that ssh-keygen -lf prints do as they are', () => {
    const lines = `256 ${fingerprint} root@web (ED25519)\n3072 ${otherFingerprint} no comment (RSA)\n`
    const found = [fingerprint, otherFingerprint]
    expect(read({ fingerprint: lines }).targets[0]?.hostKey.fingerprints).toEqual(found)
    const jump = { 'proxy-host': 'jump.example', 'proxy-fingerprint': lines }
    expect(read(jump).proxy?.hostKey.fingerprints).toEqual(found)
  })

  test.each([
    'MD5:00:11:22',
    '256 MD5:00:11:22 root@web (ED25519)',
    `${fingerprint}A`,
    `256 ${fingerprint}A root@web (ED25519)`,
    `256 ${fingerprint} ${otherFingerprint} (ED25519)`,
    'A'.repeat(43),
  ])('%s is no fingerprint', (text) => {
    expect(messageOf({ fingerprint: text })).toContain('must be a fingerprint such as SHA256:…')
  })

  test('known_hosts text does alone', () => {
    const knownHosts = '# server\nexample.com ssh-ed25519 AAAAC3Nza'
    expect(read({ fingerprint: '', 'known-hosts': `${knownHosts}\n` }).targets[0]?.hostKey).toEqual({
      knownHosts,
      fingerprints: [],
    })
  })

  test('known_hosts text without an entry is refused', () => {
    expect(messageOf({ fingerprint: '', 'known-hosts': '# nothing' })).toContain('must be known_hosts lines')
  })
})

describe('jump host', () => {
  const proxy = { 'proxy-host': 'jump.example', 'proxy-fingerprint': otherFingerprint }

  test('takes user, key and passphrase of the server', () => {
    expect(read({ ...proxy, passphrase: 'pp' }).proxy).toEqual({
      host: 'jump.example',
      port: 22,
      username: 'deploy',
      login: { ...nothing, key, passphrase: 'pp' },
      hostKey: { knownHosts: null, fingerprints: [otherFingerprint] },
    })
  })

  test('a key of its own does not take the passphrase of the other', () => {
    const own = { ...proxy, passphrase: 'pp', 'proxy-key': 'PROXY KEY' }
    expect(read(own).proxy?.login).toMatchObject({ key: 'PROXY KEY', passphrase: null })
    expect(read({ ...own, 'proxy-passphrase': 'own' }).proxy?.login).toMatchObject({ passphrase: 'own' })
  })

  test('a password of its own is all that it is shown', () => {
    const own = { ...proxy, password: 'for the server', 'proxy-password': ' its own ' }
    expect(read(own).proxy?.login).toEqual({ ...nothing, password: ' its own ' })
    expect(maskingOf(read(own), []).secrets).toEqual(expect.arrayContaining([' its own ', 'for the server']))
  })

  test('sees the password of the server only where there is nothing else', () => {
    const both = { ...proxy, password: 'for the server' }
    expect(read(both).proxy?.login).toEqual({ ...nothing, key: expect.any(String) })
    expect(read({ ...both, key: '' }).proxy?.login).toEqual({ ...nothing, password: 'for the server' })
  })

  const nothing = { key: null, passphrase: null, password: null, agentSocket: null }

  test('has a port and a user of its own, in either way', () => {
    const address = { host: 'jump.example', port: 2200, username: 'hop' }
    expect(read({ ...proxy, 'proxy-port': '2200', 'proxy-username': 'hop' }).proxy).toMatchObject(address)
    expect(read({ ...proxy, 'proxy-host': 'hop@jump.example:2200' }).proxy).toMatchObject(address)
  })

  test('is identified by its fingerprint or by known-hosts, never by the fingerprint of the server', () => {
    const failure = failureOf({ 'proxy-host': 'jump.example' })
    expect(failure.code).toBe('missing-input')
    expect(failure.message).toContain('Input `proxy-fingerprint` is required')
    const knownHosts = 'jump.example ssh-ed25519 AAAA'
    expect(
      read({ 'proxy-host': 'jump.example', 'known-hosts': knownHosts }).proxy?.hostKey.fingerprints,
    ).toEqual([])
  })

  test.each([
    'proxy-port',
    'proxy-username',
    'proxy-key',
    'proxy-passphrase',
    'proxy-password',
    'proxy-fingerprint',
  ])('%s without proxy-host is refused', (name) => {
    const text = { 'proxy-port': '22', 'proxy-fingerprint': fingerprint }[name] ?? 'something'
    const message = `Input \`${name}\` needs \`proxy-host\`, which is not set.`
    expect(messageOf({ [name]: text })).toBe(message)
  })
})

describe('a preview', () => {
  const preview = { command: 'preview', preview: 'pr-12' }

  test('has one worker, one release, and a limit of memory and heap', () => {
    const inputs = read({ ...preview, instances: '4', 'keep-releases': '7' })
    expect(inputs.runtime).toMatchObject({
      instances: 1,
      maxMemoryBytes: 512 * 2 ** 20,
      nodeOptions: ['--max-old-space-size=512'],
    })
    expect(inputs['keep-releases']).toBe(1)
    const own = read({ ...preview, 'max-memory': '1G', 'node-options': '--max-old-space-size=300' })
    expect(own.runtime).toMatchObject({
      maxMemoryBytes: 2 ** 30,
      nodeOptions: ['--max-old-space-size=300'],
    })
  })

  test('has its name in its address, which health checks send', () => {
    const inputs = read({
      ...preview,
      url: 'https://{preview}.preview.example.com',
      'health-check-url': 'https://example.com/',
    })
    expect(inputs.publicUrl).toBe('https://pr-12.preview.example.com')
    expect(inputs.runtime.health.origin).toEqual({ scheme: 'https', host: 'pr-12.preview.example.com' })
  })

  test.each(['a', 'pr-12', '0', 'a'.repeat(40)])('may have the name %s', (name) => {
    expect(read({ command: 'preview', preview: name }).preview).toBe(name)
  })

  test.each(['-a', 'a-', 'A', 'a.b', '../x', 'a/b', 'a b', 'é', "a'b", 'a_b', 'a'.repeat(41)])(
    'may not have the name %s',
    (name) => {
      expect(messageOf({ command: 'preview', preview: name })).toContain(
        'Input `preview` must be a name of at most 40',
      )
    },
  )

  test.each(['preview', 'preview-remove'])('needs a name for %s', (command) => {
    expect(failureOf({ command })).toMatchObject({ code: 'missing-input' })
  })

  test('is no part of another command', () => {
    expect(messageOf({ preview: 'pr-12' })).toBe(
      'Input `preview` needs `command: preview` or `preview-remove`, but the command is deploy.',
    )
    expect(messageOf({ url: 'https://{preview}.example.com' })).toContain('but the command is deploy')
  })

  test.each(['ftp://{preview}.example.com', 'example.com', 'https://me:pw@example.com'])(
    'has no address %s',
    (url) => {
      expect(messageOf({ ...preview, url })).toContain('Input `url` must be an http or https URL')
    },
  )
})

describe('the commit of a pull request', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gapless-run-'))
    mkdirSync(join(folder, '.git'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const head = 'a'.repeat(40)
  const merge = 'b'.repeat(40)
  const runFor = (checkedOut: string) => {
    const event = { pull_request: { number: 7, head: { sha: head } } }
    writeFileSync(join(folder, 'event.json'), JSON.stringify(event))
    writeFileSync(join(folder, '.git', 'HEAD'), `${checkedOut}\n`)
    return read(
      {},
      {
        GITHUB_WORKSPACE: folder,
        GITHUB_SHA: merge,
        GITHUB_EVENT_PATH: join(folder, 'event.json'),
      },
    )
  }

  test('is its head where the workflow checked that out, else the merge', () => {
    expect(runFor(head)).toMatchObject({ pullRequest: 7, run: { commit: head } })
    expect(runFor(merge)).toMatchObject({ pullRequest: 7, run: { commit: merge } })
  })
})

describe('durations', () => {
  test.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['10m', 600_000],
    ['1h', 3_600_000],
    ['0.25d', 21_600_000],
    ['7', 7000],
    ['0.5', 500],
    ['1.5s', 1500],
    ['0', 0],
  ])('%s', (text, ms) => {
    expect(read({ 'lock-timeout': text })['lock-timeout']).toBe(ms)
  })

  test.each(['-1s', '1w', '5 minutes', '1e3', '.5', 's', 'Infinity'])('%s is refused', (text) => {
    expect(messageOf({ 'lock-timeout': text })).toContain('must be a duration such as 500ms, 30s or 10m')
  })

  test.each([
    ['connect-timeout', '0', '1ms to 10m'],
    ['connect-timeout', '11m', '1ms to 10m'],
    ['health-check-timeout', '0s', '1ms to 1h'],
    ['health-check-interval', '1ms', '10ms to 10m'],
    ['observe', '11m', '0s to 10m'],
    ['canary', '7h', '0s to 6h'],
    ['drain-timeout', '2h', '0s to 1h'],
    ['lock-timeout', '7h', '0s to 6h'],
  ])('%s: %s is out of bounds', (name, text, bounds) => {
    expect(messageOf({ [name]: text })).toBe(
      `Input \`${name}\` must be a duration from ${bounds}, but is "${text}".`,
    )
  })
})

describe('app-name', () => {
  test.each([
    ['web', 'web'],
    ['@acme/web', 'web'],
    ['my_app.v2', 'my_app.v2'],
  ])('%s is %s to PM2, from the input as from package.json', (text, name) => {
    expect(read({ 'app-name': text })['app-name']).toBe(name)
    expect(appNameFromPackage(text)).toBe(name)
  })

  test.each(['-x', 'a b', 'a/b', '@acme/a/b', '@/web', '..', '.hidden', 'a\u0007b', 'x'.repeat(101)])(
    '%j is refused',
    (text) => {
      expect(messageOf({ 'app-name': text })).toContain('must be a name such as web or @acme/web')
    },
  )

  test.each(['all', '0', '1e5', 'Infinity', 'site.json', 'app.config.js'])(
    '%s means something else to PM2 and is refused',
    (text) => {
      expect(messageOf({ 'app-name': text })).toContain(`Input \`app-name\` must be a name`)
    },
  )

  test.each([undefined, '', 'all'])('package.json with the name %j asks for the input', (name) => {
    expect(() => appNameFromPackage(name)).toThrow(
      expect.objectContaining({
        code: 'missing-input',
        remedy: 'Set `app-name` to the name that the app should have in PM2.',
      }),
    )
  })
})

describe('paths', () => {
  test.each([
    ['/srv/web/', '/srv/web'],
    ['apps//web', 'apps/web'],
    ['./apps/web', 'apps/web'],
    ['~/web', 'web'],
    ['/srv/my app', '/srv/my app'],
  ])('path %s is %s', (text, path) => {
    expect(read({ path: text }).path).toBe(path)
  })

  test.each(['/', '//', '.', '~', '~/', '~root/web', 'a/../b', '/srv/..', 'a\tb'])(
    'path %j is refused',
    (path) => {
      expect(messageOf({ path })).toContain('must be a folder such as /srv/web')
    },
  )

  test.each(['$HOME/apps/web', '${HOME}/apps/web', '$HOME', '$APPS/web'])(
    'path %s is refused: nothing expands it',
    (path) => {
      expect(messageOf({ path })).toBe(
        `Input \`path\` must be a path without variables, such as ~/apps/web or apps/web (below the home), but is "${path}".`,
      )
    },
  )

  test('a dollar sign that begins no variable belongs to the name', () => {
    expect(read({ path: '/srv/$web' }).path).toBe('/srv/$web')
  })

  test('bin-path takes absolute folders and such below the home', () => {
    expect(read({ 'bin-path': '/opt/node/bin:~/.local/bin\n/usr/bin/' })['bin-path']).toEqual([
      '/opt/node/bin',
      '~/.local/bin',
      '/usr/bin',
    ])
    expect(messageOf({ 'bin-path': '/usr/bin:bin' })).toContain('but contains "bin"')
    expect(messageOf({ 'bin-path': '/usr/../bin' })).toContain('without ..')
  })

  test('working-directory stays inside the repository', () => {
    expect(read({ 'working-directory': './apps/web/' })['working-directory']).toBe('apps/web')
    expect(messageOf({ 'working-directory': '../other' })).toContain('a folder inside the repository')
    expect(messageOf({ 'working-directory': '/etc' })).toContain('a folder inside the repository')
  })

  const workspace = '/home/runner/work/shop/shop'
  test.each([
    [`${workspace}/apps/web/`, 'apps/web'],
    [`${workspace}//apps/web`, 'apps/web'],
    [workspace, '.'],
    [`${workspace}/`, '.'],
    [`${workspace}/..web`, '..web'],
  ])('working-directory may be absolute: %s is %s', (text, path) => {
    for (const root of [workspace, `${workspace}/`]) {
      const inputs = read({ 'working-directory': text }, { GITHUB_WORKSPACE: root })
      expect(inputs['working-directory']).toBe(path)
    }
  })

  test.each(['/etc', '/home/runner/work/shop', `${workspace}-2/apps`, `${workspace}/../other`])(
    'working-directory %s is outside of the repository',
    (text) => {
      const failure = failureOf({ 'working-directory': text }, { GITHUB_WORKSPACE: workspace })
      expect(failure.message).toBe(
        'Input `working-directory` must be a folder inside the repository such as apps/web, ' +
          `relative to its root or absolute below ${workspace}, without .., but is "${text}".`,
      )
    },
  )

  test('shared paths are relative and come one per line', () => {
    const { runtime } = read({
      'shared-dirs': 'public/uploads/\n./data\n.next/cache',
      'shared-files': 'db, main.sqlite',
    })
    expect(runtime.sharedDirs).toEqual(['public/uploads', 'data', '.next/cache'])
    expect(runtime.sharedFiles).toEqual(['db, main.sqlite'])
  })

  test.each(['/data', '../data', 'a/../..', '.', '~/data', 'a\u0000b'])(
    'shared path %j is refused',
    (text) => {
      expect(messageOf({ 'shared-dirs': text })).toContain('must be paths inside the folder of the app')
      expect(messageOf({ 'shared-files': text })).toContain('must be paths inside the folder of the app')
    },
  )

  test.each(['.gapless', '.gapless/env', './.gapless/', '.next', 'apps/web/.next', 'node_modules'])(
    'shared path %s belongs to each release',
    (text) => {
      expect(messageOf({ 'shared-dirs': text })).toContain('must be a path of data')
    },
  )

  test('a shared path in another one, or given twice, is refused', () => {
    expect(messageOf({ 'shared-dirs': 'data', 'shared-files': 'data/db' })).toBe(
      'Input `shared-files` must name each path once, but "data/db" is covered by "data".',
    )
    expect(messageOf({ 'shared-dirs': 'data/a\ndata' })).toContain(
      'Input `shared-dirs` must name each path once, but "data/a"',
    )
    expect(messageOf({ 'shared-dirs': 'data\ndata' })).toContain('must name each path once')
    expect(read({ 'shared-dirs': 'data\ndata2' }).runtime.sharedDirs).toEqual(['data', 'data2'])
  })
})

describe('the app', () => {
  test.each([
    ['768M', 768 * 1024 ** 2],
    ['1G', 1024 ** 3],
    ['524288K', 512 * 1024 ** 2],
    ['1.5g', 1.5 * 1024 ** 3],
    ['268435456', 268_435_456],
  ])('max-memory %s', (text, bytes) => {
    expect(read({ 'max-memory': text }).runtime.maxMemoryBytes).toBe(bytes)
  })

  test.each(['0', '-1M', '1T', '1 GB', 'lots', '999999999999999G'])('max-memory %s is refused', (text) => {
    expect(messageOf({ 'max-memory': text })).toContain('must be a size such as 768M')
  })

  test('instances is a number or max', () => {
    expect(read({ instances: '4' }).runtime.instances).toBe(4)
    expect(read({ instances: 'max' }).runtime.instances).toBe(0)
  })

  test.each(['0', '-1', '1.5', '257', 'min'])('instances %s is refused', (text) => {
    expect(messageOf({ instances: text })).toBe(
      `Input \`instances\` must be a number of workers from 1 to 256, or max, but is "${text}".`,
    )
  })

  test.each([
    ['0.0.0.0', '0.0.0.0'],
    ['::', '::'],
    ['[::1]', '::1'],
    ['localhost', 'localhost'],
  ])('app-host %s', (text, host) => {
    expect(read({ 'app-host': text }).runtime.host).toBe(host)
  })

  test('is known to be said, or not', () => {
    expect(read().said).toEqual({ port: null, host: null })
    const said = { 'app-port': '3000', 'app-host': '127.0.0.1' }
    expect(read(said).said).toEqual({ port: 3000, host: '127.0.0.1' })
  })

  test.each(['a b', '[localhost]', 'http://x', '127.0.0.1:3000'])('app-host %s is refused', (text) => {
    expect(messageOf({ 'app-host': text })).toContain('must be an IP address or host name')
  })

  test.each([
    ['--max-old-space-size=512', ['--max-old-space-size=512']],
    ['--require "./a b.js"\n--trace-warnings', ['--require', './a b.js', '--trace-warnings']],
    [`--title='it "is"' --x="a\\"b\\c"`, ['--title=it "is"', '--x=a"b\\c']],
  ])('node-options %s', (text, words) => {
    expect(read({ 'node-options': text }).runtime.nodeOptions).toEqual(words)
  })

  test.each([
    '--preserve-symlinks',
    '--preserve-symlinks-main',
    '--preserve_symlinks',
    '--preserve-symlinks=true',
  ])('node-options %s is refused', (flag) => {
    expect(messageOf({ 'node-options': `--inspect ${flag}` })).toContain(
      'must be flags without --preserve-symlinks',
    )
  })

  test('node-options with an open quote, or without a flag, is refused', () => {
    expect(messageOf({ 'node-options': '--title="x' })).toContain('every quote closed')
    expect(messageOf({ 'node-options': 'server.js' })).toContain('must be Node flags')
  })

  test.each(['0', 'none', '1001'])('keep-releases %s is refused', (text) => {
    expect(messageOf({ 'keep-releases': text })).toContain('must be a whole number from 1 to 1000')
  })

  test('commands have the line ends that a shell knows', () => {
    const names = ['install-command', 'build-command', 'pre-activate', 'post-activate']
    const inputs = read(Object.fromEntries(names.map((name) => [name, 'a\r\nb\r\n'])))
    expect(inputs).toMatchObject(Object.fromEntries(names.map((name) => [name, 'a\nb'])))
  })

  test('commands keep their lines, and none', () => {
    expect(read({ 'install-command': 'none', 'build-command': 'a\nb', 'pre-activate': 'c' })).toMatchObject({
      'install-command': 'none',
      'build-command': 'a\nb',
      'pre-activate': 'c',
      'post-activate': null,
    })
  })
})

describe('env', () => {
  const env = (text: string): Readonly<Record<string, string>> => read({ env: text }).runtime.env

  test.each([
    ['A=1', { A: '1' }],
    ['  export A = 1  ', { A: '1' }],
    ['# note\n\nA=1\r\nB=2', { A: '1', B: '2' }],
    ['A=a b # note', { A: 'a b' }],
    ['A= # note', { A: '' }],
    ['A=pass#word', { A: 'pass#word' }],
    ['A=', { A: '' }],
    ['A=it\'s "so"', { A: 'it\'s "so"' }],
    ['A=b=c==', { A: 'b=c==' }],
    ['A=$HOME', { A: '$HOME' }],
    ["A=' x # \\n ' # note", { A: ' x # \\n ' }],
    ['A=" x\\n\\t\\"y\\" \\\\ C:\\dir "', { A: ' x\n\t"y" \\ C:\\dir ' }],
    ['A="one\ntwo"\nB=3', { A: 'one\ntwo', B: '3' }],
    ["A='one\r\n# two\r\n'\r\nB=3", { A: 'one\n# two\n', B: '3' }],
    ['A=1\nA=2', { A: '2' }],
    ['\uFEFFA=1', { A: '1' }],
  ])('%j', (text, values) => {
    expect(env(text)).toEqual(values)
  })

  test('a key named like a built-in property is a key', () => {
    expect(Object.entries(env('__proto__=x\nconstructor=y'))).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ])
  })

  test.each([
    ['A=1\nhunter2', 2, 'KEY=value'],
    ['1A=hunter2', 1, 'KEY=value'],
    ['A-B=hunter2', 1, 'KEY=value'],
    ['A: hunter2', 1, 'KEY=value'],
    ['A="x\ny"\nB="hunter2', 3, 'a value with a closing quote'],
    ['A="x" hunter2', 1, 'a value with nothing but a comment after the closing quote'],
  ])('%j is refused by its line number, its text not shown', (text, line, expected) => {
    const message = messageOf({ env: text })
    expect(message).toContain(`Input \`env\` cannot be read: line ${line} must be ${expected}`)
    expect(message).not.toContain('hunter2')
  })

  test('every bad line is named', () => {
    const message = messageOf({ env: 'a b\nA=1\nc d' })
    expect(message).toContain('line 1 ')
    expect(message).toContain('line 3 ')
  })

  test('PORT has an input of its own, and HOSTNAME is the app’s', () => {
    expect(messageOf({ env: 'PORT=4000' })).toBe('Input `env` must not set PORT: set `app-port` instead.')
    expect(read({ env: 'HOSTNAME=localhost' }).runtime.env).toEqual({ HOSTNAME: 'localhost' })
  })
})

describe('health check', () => {
  test.each([
    ['200', [[200, 200]]],
    ['200-399', [[200, 399]]],
    // prettier-ignore
    ['200, 204,301-308', [[200, 200], [204, 204], [301, 308]]],
  ])('status %s', (text, ranges) => {
    expect(read({ 'health-check-status': text }).runtime.health.status).toEqual(ranges)
  })

  test.each(['399-200', '99', '600', '200-', '2xx', '200,,204'])('status %s is refused', (text) => {
    expect(messageOf({ 'health-check-status': text })).toContain('must be status codes from 100 to 599')
  })

  test('path may carry a query', () => {
    expect(read({ 'health-check-path': '/api/health?deep=1' }).runtime.health.path).toBe('/api/health?deep=1')
  })

  test.each([
    ['example.com', 'https', 'example.com'],
    ['Example.com:8443', 'https', 'example.com:8443'],
    ['http://example.com', 'http', 'example.com'],
    ['https://example.com:443/', 'https', 'example.com'],
    ['tenant_1.example.com', 'https', 'tenant_1.example.com'],
    ['[2001:db8::1]:8080', 'https', '[2001:db8::1]:8080'],
  ])('host %s is asked for by %s as %s', (text, scheme, host) => {
    expect(read({ 'health-check-host': text }).runtime.health.origin).toEqual({ scheme, host })
  })

  test('host is by default that of health-check-url', () => {
    expect(read({ 'health-check-url': 'http://example.com:81/api/health' }).runtime.health.origin).toEqual({
      scheme: 'http',
      host: 'example.com:81',
    })
    const both = { 'health-check-url': 'http://example.com/', 'health-check-host': 'other.example' }
    expect(read(both).runtime.health.origin).toEqual({ scheme: 'https', host: 'other.example' })
  })

  test.each([
    'https://example.com/health',
    'ftp://example.com',
    'a b',
    'a\r\nX-Evil: y',
    'me:pw@example.com',
    'example.com?x',
    '*.example.com',
    'a:99999',
  ])('host %j is refused', (text) => {
    expect(messageOf({ 'health-check-host': text })).toContain('must be a host such as example.com')
  })

  test.each(['health', 'http://x/', '/a b', '/a\r\nX: y', '/ü', '/a#b'])('path %j is refused', (text) => {
    expect(messageOf({ 'health-check-path': text })).toContain('must be a path that begins with /')
  })

  test('url is http or https', () => {
    expect(read({ 'health-check-url': 'https://example.com' })['health-check-url']).toBe(
      'https://example.com/',
    )
  })

  test.each(['ftp://example.com', 'example.com', 'file:///etc/passwd', 'https:example.com'])(
    'url %s is refused',
    (text) => {
      expect(messageOf({ 'health-check-url': text })).toContain(`but is "${text}"`)
    },
  )

  test('a password in the url is refused and not shown', () => {
    const message = messageOf({ 'health-check-url': 'https://me:hunter2@example.com/' })
    expect(message).toContain('without a user name or password')
    expect(message).not.toContain('hunter2')
  })
})

describe('the run', () => {
  test('is known from the variables of the runner', () => {
    const inputs = read(
      {},
      {
        GITHUB_WORKSPACE: '/work/repository',
        GITHUB_REPOSITORY: 'acme/web',
        GITHUB_SHA: 'abc',
        GITHUB_REF: 'refs/heads/main',
        GITHUB_ACTOR: 'ann',
        GITHUB_SERVER_URL: 'https://git.acme.example',
        GITHUB_RUN_ID: '42',
        GITHUB_EVENT_NAME: 'push',
        GITHUB_WORKFLOW: 'Deploy',
        GITHUB_RUN_NUMBER: '7',
        GITHUB_RUN_ATTEMPT: '2',
      },
    )
    expect(inputs).toMatchObject({ workspace: '/work/repository', repository: 'acme/web' })
    expect(inputs.run).toEqual({
      commit: 'abc',
      ref: 'refs/heads/main',
      actor: 'ann',
      event: 'push',
      runUrl: 'https://git.acme.example/acme/web/actions/runs/42',
      workflow: 'Deploy',
      runNumber: 7,
      runAttempt: 2,
    })
  })
})

describe('secrets', () => {
  const masked = (inputs: Texts, words: readonly string[] = []) => maskingOf(read(inputs), words)

  test('are all credentials, and the single lines of keys', () => {
    const proxyKey = '-----BEGIN X-----\\nproxy-line\\n-----END X-----'
    const { secrets } = masked({
      passphrase: 'pp',
      password: 'pw',
      'proxy-host': 'jump.example',
      'proxy-fingerprint': fingerprint,
      'proxy-key': proxyKey,
      'proxy-passphrase': 'ppp',
    })
    expect([...secrets].sort()).toEqual(
      [key, 'c2VjcmV0LWxpbmUtMQ', 'c2VjcmV0LWxpbmUtMg', 'pp', 'pw', proxyKey, 'proxy-line', 'ppp'].sort(),
    )
  })

  test('are the values of env, but for those that plainly are none', () => {
    const { secrets } = masked({
      env: 'A=hunter2\nB="line one\nline two"\nC=true\nD=production\nE=3000\nF=abc\nNEXT_PUBLIC_URL=https://x.example\nG=1234567890',
    })
    expect(secrets.filter((secret) => !key.includes(secret))).toEqual([
      'hunter2',
      'line one\nline two',
      'line one',
      'line two',
      '1234567890',
    ])
  })

  test('are also met without the spaces around them, and as the password of a URL', () => {
    const { secrets } = masked({
      env: 'A="  hunter2 "\nDB=postgres://web:p%40ss%2Fword@db.internal:5432/shop?ssl=1\nDEV=redis://:test@localhost',
    })
    expect(secrets).toEqual(expect.arrayContaining(['  hunter2 ', 'hunter2', 'p%40ss%2Fword', 'p@ss/word']))
    expect(secrets).not.toContain('test')
  })

  test('are nothing blank, which would mask every space of the log', () => {
    expect(masked({ password: '  ' }).secrets).not.toContain('  ')
  })

  test('are nothing that is a part of what a run says', () => {
    const env = [
      'STRIPE_MODE=live',
      'STATE=restored',
      'SHOP=shop-of-acme',
      'COMMIT=0123456789abcdef',
      'CONTACT=example.com',
      'DB=postgres://web:shop-of-acme@db/x',
      'TOKEN=a-live-token',
    ]
    const words = ['live', 'restored', 'web.example.com', 'my-shop-of-acme', '0123456789abcdef']
    const { secrets, unmasked } = masked({ env: env.join('\n') }, words)
    expect(secrets.filter((secret) => !key.includes(secret))).toEqual([
      'postgres://web:shop-of-acme@db/x',
      'a-live-token',
    ])
    expect(unmasked).toEqual(['STRIPE_MODE', 'STATE', 'SHOP', 'COMMIT', 'CONTACT'])
  })

  test('are nothing short or common, and no number that may be a part of an id', () => {
    const values = [
      'beta',
      'https',
      'en-US',
      'sandbox',
      '1500',
      '20261120',
      '20261120155203',
      'abc12',
      '5550199887',
    ]
    const { secrets, unmasked } = masked({ env: values.map((value, at) => `K${at}=${value}`).join('\n') })
    expect(secrets.filter((secret) => !key.includes(secret))).toEqual(['abc12', '5550199887'])
    expect(unmasked).toEqual(['K0', 'K1', 'K2', 'K3', 'K4', 'K5', 'K6'])
  })
})

describe('warnings', () => {
  test.each([
    ['rollback', ['Input `canary` has no effect with `command: rollback`']],
    ['stage', ['Input `canary` has no effect with `command: stage`']],
    ['promote', []],
    ['deploy', []],
  ])('of a canary, with command %s', (command, warnings) => {
    expect(read({ command, canary: '5m' }).warnings).toEqual(
      warnings.map((text) => expect.stringContaining(text) as unknown),
    )
  })

  test('of a canary and a watch that no job outlasts', () => {
    expect(read({ canary: '1h', watch: '5h' }).warnings).toEqual([expect.stringContaining('6 hours or more')])
    expect(read({ canary: '1h', watch: '4h' }).warnings).toEqual([])
  })

  test.each([
    ['drain-timeout', '0', 'Input `drain-timeout` is below 6s'],
    ['observe', '0', 'Input `observe` is 0'],
    ['health-check-interval', '60s', 'Input `health-check-interval` is not below'],
    ['max-memory', '512K', 'Input `max-memory` is below 128M'],
    ['app-port', '80', 'Input `app-port` is below 1024'],
    ['env', 'NODE_OPTIONS=--inspect', 'Use the input `node-options`'],
    ['env', 'NODE_PENDING_DEPRECATION=1', 'Add `--pending-deprecation` to the input `node-options`'],
    ['env', 'LD_PRELOAD=/usr/lib/libjemalloc.so.2', 'sets LD_PRELOAD, which comes too late for the workers'],
    ['env', 'LANG=de_DE.UTF-8', 'sets LANG, which comes too late for the default language of `Intl`'],
  ])('%s: %s', (name, text, warning) => {
    expect(read({ [name]: text }).warnings).toEqual([expect.stringContaining(warning)])
  })

  test('none for variables that take effect in the workers, and for a flag that is given', () => {
    const names = [
      'UV_THREADPOOL_SIZE',
      'NODE_EXTRA_CA_CERTS',
      'NODE_PATH',
      'NODE_TLS_REJECT_UNAUTHORIZED',
      'NODE_NO_WARNINGS',
      'SSL_CERT_FILE',
      'TZ',
    ]
    const env = names.map((name) => `${name}=1`).join('\n')
    expect(read({ env, 'node-options': '--no_warnings' }).warnings).toEqual([])
  })

  test('passphrase without key', () => {
    expect(read({ key: '', password: 'pw', passphrase: 'pp' }).warnings).toEqual([
      expect.stringContaining('Input `passphrase` is set without `key`'),
    ])
  })
})
