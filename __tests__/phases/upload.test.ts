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
/** The clock of a host was ahead. */
const newestId = '20991231235959'
const id = '21000101000000'

const refused = (): never => {
  throw new Failure('release-exists', 'Another deploy has taken the id.')
}

/** @param stage answers for an id that is staged */
async function uploadTo(hosts: Readonly<Record<string, (id: string) => object>>, discarded: string[] = []) {
  const host = (name: string, stage: (id: string) => object): Host => {
    const call = async (operation: string, params: { id: string }) => {
      if (operation === 'stage') return stage(params.id)
      discarded.push(`${operation} ${params.id} on ${name}`)
      return { removed: true }
    }
    const base = async () => ({ base: null, folders: '' })
    return { name, facts: { newestId }, agent: () => ({ call }), base } as unknown as Host
  }
  const inputs = readInputs({
    INPUT_HOST: Object.keys(hosts).join('\n'),
    INPUT_USERNAME: 'deploy',
    INPUT_PASSWORD: 'x',
    INPUT_FINGERPRINT: `SHA256:${'A'.repeat(43)}`,
  })
  const manifest = await manifestOf(folder(), { 'server.js': '//' })
  const output = { relativeAppDir: '', distDir: '.next' } as unknown as Built
  const assembled = { manifest, packer: createPacker(manifest) }
  const pipeline = createPipeline(silentLog)
  const all = Object.entries(hosts).map(([name, stage]) => host(name, stage))
  return uploadToAll(createPlan(inputs, 'site'), all, output, assembled, pipeline)
}

const complete = () => ({ committed: true, missing: '', reusedBytes: 0 })

test('all hosts get one id, later than the newest on any of them, whatever the clock says', async () => {
  const seen: string[] = []
  const stage = (staged: string) => {
    seen.push(staged)
    return complete()
  }
  expect((await uploadTo({ a: stage, b: stage })).id).toBe(id)
  expect(seen).toEqual([id, id])
})

test('a single host takes the next id where another deploy began in the same second', async () => {
  const stage = (staged: string) => (staged === id ? refused() : complete())
  expect((await uploadTo({ a: stage })).id).toBe('21000101000001')
})

test('an upload that fails on one host is taken back on those that have all of it, and nowhere else', async () => {
  const discarded: string[] = []
  const uploading = uploadTo({ a: complete, b: refused, c: complete }, discarded)
  expect(await failureOf(uploading)).toMatchObject({ code: 'release-exists' })
  expect(discarded).toEqual([`discard ${id} on a`, `discard ${id} on c`])
})
