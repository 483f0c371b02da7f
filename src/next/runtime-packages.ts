/** Node.js and PM2 for a server, fetched on the runner through npm as the user has set it up. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { failure } from '../common/errors/build.ts'
import { sha256 } from '../common/hash-file.ts'
import { stepEnvironment } from './step-environment.ts'

export interface Bundle {
  readonly version: string
  /** A gzipped tar. */
  readonly file: string
  readonly bytes: number
  readonly sha256: string
}

export interface Fetched {
  /** @param arch as Node names it @param version `24`, or an exact one @throws Failure `setup-failed` */
  node(arch: string, version: string): Promise<Bundle>
  /** @throws Failure `setup-failed` */
  pm2(): Promise<Bundle>
  remove(): void
}

/** The major version that Gapless is tested with most. */
const PM2 = 'pm2@7'
/** In ms. */
const LIMIT = 10 * 60_000

/** Each package is fetched once for all hosts. */
export function fetcher(): Fetched {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-runtime-'))
  const env = stepEnvironment()
  delete env['NODE_ENV']
  const run = (program: string, args: readonly string[]) =>
    new Promise<string>((resolve, reject) => {
      const options = { cwd: folder, env, timeout: LIMIT, maxBuffer: 64 * 2 ** 20 }
      execFile(program, args, options, (error, out, errors) => {
        if (error === null) resolve(out)
        else
          reject(
            failure(
              'setup-failed: fetch',
              { command: [program, ...args.slice(0, 2)].join(' ') },
              { evidence: errors.slice(-4000), cause: error },
            ),
          )
      })
    })
  const known = new Map<string, Promise<Bundle>>()
  const once = (key: string, make: () => Promise<Bundle>) => {
    const made = known.get(key) ?? make()
    known.set(key, made)
    return made
  }

  return {
    node: (arch, wanted) =>
      once(`node-${arch}-${wanted}`, async () => {
        const name = `node-linux-${arch}`
        const [packed] = JSON.parse(await run('npm', ['pack', `${name}@${wanted}`, '--json'])) as readonly {
          readonly version: string
          readonly filename: string
        }[]
        const { version = '', filename = '' } = packed ?? {}
        const file = join(folder, filename)
        const said = await run('npm', ['view', `${name}@${version}`, 'dist.integrity', '--json'])
        const hash = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
        if (JSON.parse(said) !== hash) throw failure('setup-failed: hash', { name: `${name}@${version}` })
        return bundleOf(version, file)
      }),
    pm2: () =>
      once('pm2', async () => {
        const into = join(folder, 'pm2')
        mkdirSync(into)
        const quiet = [
          '--no-audit',
          '--no-fund',
          '--no-save',
          '--ignore-scripts',
          '--omit=dev',
          '--omit=optional',
        ]
        await run('npm', ['install', PM2, '--prefix', into, ...quiet])
        const manifest = JSON.parse(readFileSync(join(into, 'node_modules/pm2/package.json'), 'utf8')) as {
          readonly version: string
        }
        const file = join(folder, 'pm2.tgz')
        await run('tar', ['-czf', file, '-C', into, 'node_modules'])
        return bundleOf(manifest.version, file)
      }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function bundleOf(version: string, file: string): Bundle {
  return { version, file, bytes: statSync(file).size, sha256: sha256(readFileSync(file)) }
}
