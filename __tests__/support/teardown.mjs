/** After the last suite: removes what setup.mjs made. */
import { rmSync } from 'node:fs'

export default function teardown() {
  rmSync(process.env['GAPLESS_TEST_BUILDS'], { recursive: true, force: true })
}
