/** Releases made by real uploads. */
import type { Layout } from '../../src/agent/store/layout.ts'
import { createUploads } from '../../src/agent/upload/upload.ts'
import type { Params, Runtime } from '../../src/protocol/messages.ts'
import { contentParts, missingFiles } from '../../src/transfer/stream.ts'
import { type Content, manifestOf } from '../support/tree.ts'
import { stage } from '../support/upload.ts'
import { run, runtimeWith } from './releases-on-disk.ts'

interface Uploaded {
  readonly id: string
  readonly directory: string
}

/**
 * Makes a release as the upload phase does.
 * @param from a folder for the build
 * @param id undefined: the next one
 */
export async function uploaded(
  layout: Layout,
  from: string,
  contents: Readonly<Record<string, Content>>,
  { id, ...runtime }: Partial<Runtime> & { readonly id?: string } = {},
): Promise<Uploaded> {
  const uploads = createUploads(layout)
  const manifest = await manifestOf(from, contents)
  const staged = await stage(uploads, manifest, undefined, id)
  const commit: Params<'commit'> = {
    id: staged.id,
    entry: 'server.js',
    staticPath: '.next/static',
    nextVersion: '',
    builtMsAgo: 0,
    run,
    runtime: runtimeWith(runtime),
  }
  for (let { missing } = staged; ;) {
    for (const part of contentParts(missingFiles(manifest, missing))) {
      await uploads.fill(staged.id, part.files.length, part.content)
    }
    const made = await uploads.commit(commit, () => undefined)
    if (made.path !== null) return { id: staged.id, directory: made.path }
    missing = made.missing
  }
}
