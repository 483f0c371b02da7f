/** Explains a release that failed because files of the repository are missing from it. */
import { missingIn, missingRemedy, type Place } from '../next/untraced.ts'
import type { Outcome } from '../outcome.ts'
import { Failure } from '../common/failure.ts'

/** @returns how to bring files into the release that the log misses and the repository has */
export function explanationOf(place: Place, log: string): string | undefined {
  const paths = missingIn(log, place)
  return paths.length === 0 ? undefined : missingRemedy(place, paths)
}

/** Where the app's last lines name such files, the failure's remedy says how to bring them into the release. */
export async function explainMissing(place: Place, act: () => Promise<Outcome>): Promise<Outcome> {
  const explained = (error: unknown): Failure => {
    const failure = Failure.from(error)
    const remedy = explanationOf(place, failure.evidence ?? '')
    return remedy === undefined ? failure : failure.reworded(failure.message, { remedy })
  }
  const outcome = await act().catch((error: unknown) => {
    throw explained(error)
  })
  return outcome.failure === null ? outcome : { ...outcome, failure: explained(outcome.failure) }
}
