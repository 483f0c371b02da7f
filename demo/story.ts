/** The story: what happens to the site, in its order. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Visitors } from '../__tests__/support/load.ts'
import { heading, say } from './console.ts'
import { perform, type Stage, type StepResult } from './step.ts'

const example = join(import.meta.dirname, '..', 'examples', 'next-app')
const built = new Set(['node_modules', '.next', 'next-env.d.ts'])

const visitors: Visitors = { keepAlive: 8, fresh: 2, post: 2, stream: 1 }

export const steps = ['1 first deploy', '2 redeploy', '3 broken release', '4 rollback'] as const

/** Yields each step as it is done: all, unless the first deploy failed. */
export async function* tellStory(stage: Stage): AsyncGenerator<StepResult, void, undefined> {
  const [firstName, secondName, brokenName, rollbackName] = steps
  const { repository, target } = stage
  cpSync(example, repository, { recursive: true, filter: (path) => !built.has(basename(path)) })
  heading('The stage')
  say(`Server: ${target.description}`)
  say(`Repository: a copy of examples/next-app in ${repository}`)
  say('Action: dist/main.cjs, as a GitHub runner runs it, with a real npm ci and real builds.')

  heading('1. First deploy')
  const first = await perform(stage, {
    name: firstName,
    expected: { code: 0, status: 'live', text: 'first', seen: [] },
  })
  yield first
  const installed = { 'install-command': 'none' }
  if (first.mismatches.length > 0) return
  const { release: firstRelease } = first.run.outputs

  heading('2. A new text, deployed under load')
  say('8 visitors on keep-alive connections, 2 on a new one each time, 2 that POST, 1 slow download.')
  writeMessage(repository, 'second')
  const second = await perform(stage, {
    name: secondName,
    inputs: installed,
    visitors,
    expected: { code: 0, status: 'live', text: 'second', seen: ['first', 'second'] },
  })
  yield second
  const { release: secondRelease } = second.run.outputs

  heading('3. A release that cannot boot, deployed under the same load')
  say(
    'Its instrumentation.ts wants a variable that nobody set, and ends the process. The build does not notice.',
  )
  writeMessage(repository, 'third')
  writeFileSync(join(repository, 'instrumentation.ts'), brokenInstrumentation)
  yield await perform(stage, {
    name: brokenName,
    inputs: installed,
    visitors,
    expected: { code: 1, status: 'kept', live: secondRelease, text: 'second', seen: ['second'] },
  })

  heading('4. Back to the first release, under the same load')
  yield await perform(stage, {
    name: rollbackName,
    inputs: { command: 'rollback' },
    visitors,
    expected: { code: 0, status: 'live', live: firstRelease, text: 'first', seen: ['first', 'second'] },
  })
}

function writeMessage(repository: string, message: string): void {
  const file = join(repository, 'app', 'message.ts')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/'.*'/, `'${message}'`))
}

const brokenInstrumentation = `export function register() {
  if (process.env.NEXT_RUNTIME === 'nodejs' && !process.env.DATABASE_URL) {
    console.error('DATABASE_URL is not set')
    process.exit(1)
  }
}
`
