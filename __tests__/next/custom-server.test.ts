/** Custom servers, in the spellings that people start them in. */
import { describe, expect, test } from '@jest/globals'
import { readProject } from '../../src/next/project.ts'
import { failureOf } from '../support/failure.ts'
import { folders, type Folder } from './folder.ts'

const folder = folders()
const app = { name: 'shop', dependencies: { next: '^16.0.0' } }

describe('a custom server', () => {
  const withStart = (start: string) => ({ ...app, scripts: { start } })
  const server = `const next = require('next')\nnext({ dev: false }).prepare()\n`

  test.each([
    ['node server.js', 'server.js', server],
    ['NODE_ENV=production node ./server', 'server.js', server],
    ['cross-env NODE_ENV=production tsx server/index.ts', 'server/index.ts', `import next from 'next'\n`],
    ['pm2-runtime start server.mjs -i max', 'server.mjs', `const { default: next } = await import("next")`],
    ['tsc -p server && node dist/server.js', 'server.ts', `import next from 'next'\n`],
    ['node dist/main.js', 'src/main.ts', `import next from "next"\n`],
  ])('in the start script is refused: %s', (start, file, text) => {
    const repository = folder().write('package.json', withStart(start)).write(file, text)
    expect(() => readProject(repository.path, '.')).toThrow(
      expect.objectContaining({
        code: 'custom-server',
        message: expect.stringContaining(`, "${file}".`),
        remedy: expect.stringContaining('next start'),
      }),
    )
  })

  test.each([
    ['next start -p 3000', 'server.js', server],
    ['next start', 'start.js', server],
    ['node .next/standalone/server.js', 'server.js', server],
    ['node .next/standalone/server.js', '.next/standalone/server.js', server],
    [
      'node scripts/serve.js',
      'scripts/serve.js',
      `require('next/dist/server/next')\nspawn('next', ['start'])`,
    ],
    ['node ../server.js', 'server.js', ''],
    ['node /server.js', 'x.js', ''],
  ])('is not suspected here: %s (%s)', (start, file, text) => {
    const repository = folder().write('package.json', withStart(start)).write(file, text)
    expect(readProject(repository.path, '.').name).toBe('shop')
  })
})

type Files = Readonly<Record<string, unknown>>

function repositoryOf(scripts: Files, files: Files): Folder {
  const repository = folder().write('package.json', { ...app, scripts })
  for (const [name, content] of Object.entries(files)) repository.write(name, content)
  return repository
}

const server = `const next = require('next')\nnext({ dev: false }).prepare()\n`
const typescript = `import express from 'express'\nimport next from 'next'\n`

describe('a custom server is found', () => {
  test.each<[string, Files, Files, string]>([
    [
      'in PM2’s ecosystem file',
      { start: 'pm2-runtime ecosystem.config.js' },
      {
        'ecosystem.config.js': `module.exports = {\n  apps: [{ name: 'web', script: './server.js', instances: 2 }],\n}\n`,
        'server.js': server,
      },
      'server.js',
    ],
    [
      'in one of several apps of PM2’s',
      { start: 'pm2 start ecosystem.config.cjs --env production' },
      {
        'ecosystem.config.cjs': `module.exports = { apps: [
          { name: 'worker', script: 'worker.js', env: { A: 1 } },
          { name: 'web', cwd: './web', script: 'npm', args: ['run', 'serve'], env: {} },
        ] }`,
        'worker.js': '',
        'web/package.json': { scripts: { serve: 'node main' } },
        'web/main.js': server,
      },
      'web/main.js',
    ],
    [
      'in PM2’s ecosystem file as JSON',
      { start: 'pm2-runtime start process.json' },
      { 'process.json': { apps: [{ name: 'web', script: 'server/index.js' }] }, 'server/index.js': server },
      'server/index.js',
    ],
    [
      'in PM2’s ecosystem file as YAML',
      { start: 'pm2-runtime pm2.yml' },
      { 'pm2.yml': `apps:\n  - name: web\n    script: server.mjs\n`, 'server.mjs': typescript },
      'server.mjs',
    ],
    [
      'in the ecosystem file that PM2 takes by default',
      { start: 'pm2-runtime start' },
      { 'ecosystem.config.js': `module.exports = { script: "server.js" }`, 'server.js': server },
      'server.js',
    ],
    [
      'behind another script',
      { start: 'npm run serve', serve: 'node server.js' },
      { 'server.js': server },
      'server.js',
    ],
    [
      'behind scripts that run side by side',
      {
        start: 'concurrently "npm:web" "node worker.js"',
        web: 'cross-env NODE_ENV=production node ./server',
      },
      { 'server.js': server, 'worker.js': '' },
      'server.js',
    ],
    [
      'behind a quoted command',
      { start: `pm2-runtime "node server.js" --name web` },
      { 'server.js': server },
      'server.js',
    ],
    [
      'in another folder',
      { start: 'cd server && node .' },
      { 'server/package.json': { main: 'main.js' }, 'server/main.js': server },
      'server/main.js',
    ],
    ['in a folder', { start: 'tsx server' }, { 'server/index.ts': typescript }, 'server/index.ts'],
    [
      'behind another package’s script',
      { start: 'npm --prefix backend run start' },
      { 'backend/package.json': { scripts: { start: 'node app' } }, 'backend/app.js': server },
      'backend/app.js',
    ],
    [
      'in a module of the program',
      { start: 'node index.js' },
      { 'index.js': `require('./lib/boot')`, 'lib/boot.js': server },
      'lib/boot.js',
    ],
    [
      'in a module, by the name that TypeScript gives it',
      { start: 'node --import tsx src/main.ts' },
      { 'src/main.ts': `import { boot } from './boot.js'`, 'src/boot.ts': typescript },
      'src/boot.ts',
    ],
    [
      'in what is compiled',
      { start: 'node dist/server/main.js' },
      { 'src/server/main.ts': typescript },
      'src/server/main.ts',
    ],
    [
      'behind a shell script',
      { start: './start.sh' },
      { 'start.sh': '#!/bin/sh\n# next start\nexec node \\\n  server.js\n', 'server.js': server },
      'server.js',
    ],
    [
      'without a start script',
      { serve: 'node server.js', build: 'next build' },
      { 'server.js': server },
      'server.js',
    ],
    [
      'in the script for production',
      { start: 'next dev', 'start:prod': 'node server.js' },
      { 'server.js': server },
      'server.js',
    ],
    [
      'in the Procfile',
      {},
      { Procfile: 'web: node server.js\nworker: node w.js\n', 'server.js': server },
      'server.js',
    ],
    [
      'in an ecosystem file that no script names',
      { build: 'next build' },
      { 'ecosystem.config.js': `module.exports = { apps: [{ script: 'server.js' }] }`, 'server.js': server },
      'server.js',
    ],
    [
      'under another name of Next.js',
      { start: 'node server.mjs' },
      { 'server.mjs': `import fastifyNext from '@fastify/nextjs'` },
      'server.mjs',
    ],
  ])('%s', async (_, scripts, files, file) => {
    const repository = repositoryOf(scripts, files)
    const failure = await failureOf(() => readProject(repository.path, '.'))
    expect(failure).toMatchObject({
      code: 'custom-server',
      message: expect.stringMatching(`, "${file}"\\.$`),
    })
    expect(failure.evidence?.split('→ ').at(-1)).toBe(file)
  })

  test('in another folder of the repository', async () => {
    const repository = folder()
      .write('apps/web/package.json', { ...app, scripts: { start: 'node ../../server/index.js' } })
      .write('server/index.js', server)
    const failure = await failureOf(() => readProject(repository.path, 'apps/web'))
    expect(failure).toMatchObject({ code: 'custom-server' })
  })
})

describe('neither refuses nor warns of', () => {
  test.each<[string, Files, Files]>([
    ['next start', { start: 'next start -p $PORT' }, { 'server.js': server }],
    [
      'next start in an ecosystem file',
      { start: 'pm2-runtime ecosystem.config.js' },
      {
        'ecosystem.config.js': `module.exports = { apps: [{ script: 'node_modules/next/dist/bin/next', args: 'start' }] }`,
      },
    ],
    [
      'next start behind another script',
      { start: 'npm run prod:web', 'prod:web': 'dotenv -- next start' },
      {},
    ],
    ['the standalone server', { start: 'node .next/standalone/server.js' }, {}],
    ['a server for development', { dev: 'node server.js', start: 'next start' }, { 'server.js': server }],
    ['a worker of its own', { start: 'node worker.js' }, { 'worker.js': `require('./jobs')`, 'jobs.js': '' }],
    [
      'a program that names types of Next.js',
      { start: 'tsx serve.ts' },
      {
        'serve.ts': `import config from './next.config.mjs'\nimport type { Metadata } from 'next'\nimport { type NextConfig } from 'next'`,
        'next.config.mjs': `/** @type {import('next').NextConfig} */\nexport default {}`,
      },
    ],
    ['a deploy that is called prod', { start: 'next start', prod: 'vercel --prod' }, {}],
    ['a server of data', { dev: 'next dev', server: 'json-server db.json' }, { 'server.js': server }],
    ['no script at all', {}, { 'server.js': server }],
    ['a script that calls itself', { start: 'npm start && next start' }, {}],
  ])('%s', (_, scripts, files) => {
    expect(readProject(repositoryOf(scripts, files).path, '.').doubts).toEqual([])
  })
})

describe('warns, with what was seen, of', () => {
  test.each<[string, Files, Files, string]>([
    ['a file that the build makes', { start: 'node dist/main.js' }, {}, '"dist/main.js"'],
    [
      'an ecosystem file that computes its script',
      { start: 'pm2-runtime ecosystem.config.js' },
      { 'ecosystem.config.js': `module.exports = { apps: [{ script: path.join(dir, 'server.js') }] }` },
      '"ecosystem.config.js"',
    ],
    ['another program', { start: 'docker compose up' }, {}, '`docker compose up`'],
    ['a static server', { serve: 'http-server out' }, {}, 'The script `serve` (`http-server out`)'],
  ])('%s', (_, scripts, files, seen) => {
    const { doubts } = readProject(repositoryOf(scripts, files).path, '.')
    expect(doubts).toEqual([expect.stringContaining(seen)])
    expect(doubts[0]).toContain('standalone server')
  })
})

test.each([
  ['/*', 'server.js'],
  ['\n', 'server.js'],
  ['import ', 'server.js'],
  [' ', 'ecosystem.config.js'],
  ['\n', 'ecosystem.config.js'],
  ['script: ', 'ecosystem.config.js'],
  ['} , ', 'ecosystem.config.js'],
])('reads a long file of %j at %s in short time', (text, name) => {
  const start = name === 'server.js' ? 'node server.js' : `pm2-runtime ${name}`
  const repository = repositoryOf({ start }, { [name]: text.repeat(200_000) })
  const begun = performance.now()
  readProject(repository.path, '.')
  expect(performance.now() - begun).toBeLessThan(1500)
})
