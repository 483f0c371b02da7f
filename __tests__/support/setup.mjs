/** Before the first suite: a folder for what the suites of one run share (builds.ts). */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export default function setup() {
  process.env['GAPLESS_TEST_BUILDS'] = mkdtempSync(join(tmpdir(), 'gapless-builds-'))
}
