import { describe, expect, test } from '@jest/globals'
import { deploymentId } from '../../src/next/deployment-id.ts'
import { type Folder, folders } from './folder.ts'

const folder = folders()

const app = (version: string, files: Readonly<Record<string, unknown>>): Folder => {
  const made = folder().write('package.json', {}).write('node_modules/next/package.json', { version })
  for (const [name, content] of Object.entries(files)) made.write(name, content)
  return made
}
const idOf = ({ path }: Folder, environment = {}) => deploymentId(path, 'this-build', environment)

test.each(['pages/index.tsx', 'src/pages/blog/[slug].jsx'])('an app with %s gets an id', (page) => {
  expect(idOf(app('16.4.6', { [page]: '' }))).toEqual({ NEXT_DEPLOYMENT_ID: 'this-build' })
})

test('so does one of a workspace, whose Next.js is installed above it', () => {
  const repository = app('17.0.0-canary.1', { 'apps/web/package.json': {}, 'apps/web/pages/a.js': '' })
  expect(deploymentId(repository.at('apps/web'), 'x', {})).toEqual({ NEXT_DEPLOYMENT_ID: 'x' })
})

describe('none is given', () => {
  test.each([
    ['to an app of the App Router alone', '16.4.6', { 'app/page.tsx': '' }],
    ['to one whose Pages Router has no page', '16.4.6', { 'pages/_app.tsx': '', 'pages/api/x.ts': '' }],
    ['before Next.js 16, where it does not help', '15.5.29', { 'pages/index.tsx': '' }],
    ['over that of the configuration', '16.4.6', { 'pages/a.js': '', 'next.config.mjs': 'deploymentId: 1' }],
    ['over that of a .env file', '16.4.6', { 'pages/a.js': '', '.env': 'NEXT_DEPLOYMENT_ID=mine' }],
  ])('%s', (_, version, files) => {
    expect(idOf(app(version, files))).toEqual({})
  })

  test('over that of the job’s environment, or without Next.js', () => {
    expect(idOf(app('16.4.6', { 'pages/a.js': '' }), { NEXT_DEPLOYMENT_ID: 'mine' })).toEqual({})
    expect(idOf(folder().write('pages/a.js'))).toEqual({})
  })
})
