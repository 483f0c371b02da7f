/** Every error code, in the order of docs/errors.md. */
import { texts as activation } from './activation.ts'
import { texts as build } from './build.ts'
import { texts as connect } from './connect.ts'
import { texts as inputs } from './inputs.ts'
import { texts as preview } from './preview.ts'
import { texts as internal } from './internal.ts'
import { texts as protocol } from './protocol.ts'
import { texts as run } from './run.ts'
import { texts as runner } from './runner.ts'
import { texts as server } from './server.ts'
import type { ErrorTexts } from './text.ts'
import { texts as upload } from './upload.ts'

export interface Chapter {
  readonly title: string
  readonly texts: ErrorTexts
}

export const registry: readonly Chapter[] = [
  { title: 'Inputs', texts: inputs },
  { title: 'Connect', texts: connect },
  { title: 'Build and assemble', texts: build },
  { title: 'The runner’s files and disk', texts: runner },
  { title: 'Upload', texts: upload },
  { title: 'The server and its releases', texts: server },
  { title: 'Verify, swap, reload, health check', texts: activation },
  { title: 'Previews', texts: preview },
  { title: 'The run as a whole', texts: run },
  { title: 'Runner and server', texts: protocol },
  { title: 'Unexpected', texts: internal },
]
