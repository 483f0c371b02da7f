import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from '@jest/globals'
import { nodeBinary } from '../../scripts/node-version.mjs'
import { processesIn } from '../../scripts/processes.mjs'
import { temporaryFolders } from '../support/folder.ts'

/** The demo itself runs in .ci/run. These take half a minute each: GAPLESS_TEST_ALL=1 (npm run test:all). */
const thorough = process.env['GAPLESS_TEST_ALL'] === '1' ? test : test.skip

const folder = temporaryFolders()
const demo = join(import.meta.dirname, '..', '..', 'demo', 'main.ts')

thorough.each(['connect', 'build', 'upload', 'reload'])(
  'Ctrl-C in %s leaves no process and no folder',
  async (phase) => {
    const temporary = folder()
    const child = spawn(nodeBinary('24'), [demo], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    const ended = once(child, 'close')
    let interrupted = false
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (interrupted || line.trim() !== `${phase}…`) return
      interrupted = true
      // As a terminal does: to all of the group.
      process.kill(-child.pid!, 'SIGINT')
    })
    const [code] = await ended
    expect({ interrupted, code }).toEqual({ interrupted: true, code: 130 })
    expect(readdirSync(temporary)).toEqual([])
    expect(processesIn(temporary)).toEqual([])
  },
  120_000,
)
