import { describe, expect, test } from '@jest/globals'
import { lackingFiles, missingIn, missingRemedy, readAtRunTime } from '../../src/next/untraced.ts'
import { explainMissing } from '../../src/phases/missing-files.ts'
import { Failure } from '../../src/common/failure.ts'
import { failureOf } from '../support/failure.ts'
import { folders, type Folder } from './folder.ts'

const folder = folders()

function place(repository: Folder, app = 'apps/web', nextVersion = '16.4.6') {
  return { directory: repository.at(app), relativeAppDir: app, nextVersion }
}

describe('the configuration of a dependency that reads it at run time', () => {
  const i18n = { dependencies: { 'next-i18next': '^15' } }

  test('is wanted with all that it imports', () => {
    const repository = folder()
      .write('apps/web/package.json', i18n)
      .write('apps/web/next-i18next.config.js', `const { locales } = require('./i18n/locales')`)
      .write('apps/web/i18n/locales.js', `module.exports = require('../../../shared/locales.json')`)
      .write('shared/locales.json', '[]')
    const wanted = readAtRunTime(place(repository))
    expect(wanted.map(({ path }) => path)).toEqual([
      'apps/web/next-i18next.config.js',
      'apps/web/i18n/locales.js',
      'shared/locales.json',
    ])
    expect(lackingFiles(place(repository), wanted)).toEqual([
      expect.stringContaining(
        "Add `outputFileTracingIncludes: { '/**': ['./next-i18next.config.js', './i18n/locales.js', '../../shared/locales.json'] }`",
      ),
    ])
    expect(lackingFiles(place(repository), [])).toEqual([])
  })

  test('is not wanted without the dependency, or without the file', () => {
    const without = folder().write('package.json', {}).write('next-i18next.config.js')
    const empty = folder().write('package.json', i18n)
    expect(readAtRunTime(place(without, ''))).toEqual([])
    expect(readAtRunTime(place(empty, ''))).toEqual([])
  })

  test('may be a folder', () => {
    const app = folder()
      .write('package.json', { dependencies: { config: '^4' } })
      .write('config/default.json', '{}')
    expect(readAtRunTime(place(app, ''))).toEqual([{ dependency: 'config', path: 'config/default.json' }])
  })
})

describe('what a log names as missing', () => {
  const release = '/home/deploy/apps/web/releases/20261120155203'
  const log = [
    `Error: ENOENT: no such file or directory, open '${release}/apps/web/templates/mail.html'`,
    `Error: Cannot find module '${release}/keys/public.pem'`,
    `Error: ENOENT: no such file or directory, stat '${release}/apps/web/unknown.txt'`,
    `Error: ENOENT: no such file or directory, open '/home/deploy/apps/web/current/apps/web/templates/mail.html'`,
    `Error: ENOENT: no such file or directory, open '${release}/../../../../../etc/passwd'`,
    `Error: ENOENT: no such file or directory, open '/etc/app.conf'`,
  ].join('\n')
  const repository = () =>
    folder().write('apps/web/templates/mail.html').write('keys/public.pem').write('etc/app.conf')

  test('counts where the repository has it', () => {
    const app = place(repository(), 'apps/web', '14.2.35')
    const paths = missingIn(log, app)
    expect(paths).toEqual(['apps/web/templates/mail.html', 'keys/public.pem'])
    expect(missingRemedy(app, paths)).toContain(
      "`experimental: { outputFileTracingIncludes: { '/**': ['./templates/mail.html', '../../keys/public.pem'] } }`",
    )
  })

  test('is the remedy of a candidate that failed for it', async () => {
    const app = place(repository())
    const failure = new Failure('candidate-unhealthy', 'The new release was not healthy.', { evidence: log })
    const explained = await failureOf(explainMissing(app, () => Promise.reject(failure)))
    expect(explained).toMatchObject({ code: 'candidate-unhealthy', message: failure.message, evidence: log })
    expect(explained.remedy).toContain("'./templates/mail.html'")
    const other = new Failure('candidate-died', 'It died.', { remedy: 'Look.', evidence: 'ENOENT' })
    expect((await failureOf(explainMissing(app, () => Promise.reject(other)))).remedy).toBe('Look.')
  })

  test('is found in a long log without long', () => {
    const begun = performance.now()
    missingIn(`ENOENT ${"' ENOENT '/releases/20261120155203/".repeat(20_000)}`, place(repository()))
    expect(performance.now() - begun).toBeLessThan(1500)
  })
})
