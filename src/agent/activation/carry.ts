/** What visitors of the other releases still ask for comes into the release that goes live. */
import { carryStatic } from '../store/old-static.ts'
import type { Activation } from './context.ts'

/**
 * Before its workers boot. No reason to fail: without it, old pages miss something, but the release is whole.
 *
 * @param served releases that visitors may have a page of, besides those that were verified
 */
export async function carryOldStatic(
  { layout, journal }: Pick<Activation, 'layout' | 'journal'>,
  release: string,
  served: readonly string[] = [],
): Promise<void> {
  const remark = await carryStatic(layout, release, served).then(
    ({ files }) => `${files} static files of other releases carried into ${release}`,
    (error: unknown) => `static files of other releases could not be carried: ${(error as Error).message}`,
  )
  await journal.note('swap', remark)
}
