import { readIfThere } from '../files.ts'
import type { Pm2Process } from '../pm2.ts'

/** The end of the workers' own logs since `since` (bytes by file): the evidence when they fail. */
export async function logsSince(
  processes: readonly Pm2Process[],
  since: ReadonlyMap<string, number>,
): Promise<string> {
  const files = [...new Set(processes.flatMap(({ errorLog, outLog }) => [outLog, errorLog]))]
  const texts = await Promise.all(
    files.map(async (file) =>
      Buffer.from((await readIfThere(file)) ?? '')
        .subarray(since.get(file) ?? 0)
        .toString('utf8'),
    ),
  )
  return texts.filter((text) => text !== '').join('\n')
}
