import { expect, test } from '@jest/globals'
import { readInputs } from '../../src/inputs/index.ts'
import type { Built } from '../../src/phases/build.ts'
import type { Host } from '../../src/hosts/host.ts'
import { uploadToAll } from '../../src/phases/upload.ts'
import { createPipeline } from '../../src/pipeline.ts'
import { createPlan } from '../../src/plan.ts'
import { Failure } from '../../src/common/failure.ts'
import { createPacker } from '../../src/transfer/packer.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { silentLog } from '../support/log.ts'
import { manifestOf } from '../support/tree.ts'

const folder = temporaryFolders()
const id = '20260101000001'

test('an upload that fails on one host is taken back on those that have all of it, and nowhere else', async () => {
  const discarded: string[] = []
  const host = (name: string, stage: () => object): Host => {
    const call = async (operation: string, params: { id?: string }) => {
      if (operation === 'reserve') return { id }
      if (operation === 'stage') return stage()
      discarded.push(`${operation} ${params.id} on ${name}`)
      return { removed: true }
    }
    const base = async () => ({ base: null, folders: '' })
    return { name, agent: () => ({ call }), base } as unknown as Host
  }
  const complete = () => ({ id, committed: true, missing: '', reusedBytes: 0 })
  const refused = (): never => {
    throw new Failure('release-exists', 'Another deploy has taken the id.')
  }
  const hosts = [host('a', complete), host('b', refused), host('c', complete)]
  const inputs = readInputs({
    INPUT_HOST: 'a\nb\nc',
    INPUT_USERNAME: 'deploy',
    INPUT_PASSWORD: 'x',
    INPUT_FINGERPRINT: `SHA256:${'A'.repeat(43)}`,
  })
  const manifest = await manifestOf(folder(), { 'server.js': '//' })
  const output = { relativeAppDir: '', distDir: '.next' } as unknown as Built
  const assembled = { manifest, packer: createPacker(manifest) }
  const pipeline = createPipeline(silentLog)
  const uploading = uploadToAll(createPlan(inputs, 'site'), hosts, output, assembled, pipeline)
  expect(await failureOf(uploading)).toMatchObject({ code: 'release-exists' })
  expect(discarded).toEqual([`discard ${id} on a`, `discard ${id} on c`])
})
