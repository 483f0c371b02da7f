/** Explains a release that failed for want of files that the repository has. */
import { missingIn, missingRemedy, type Place } from '../next/untraced.ts'
import type { Outcome } from '../outcome.ts'
import { Failure } from '../common/failure.ts'

/** What a log says of files that the repository has, and the line that brings them into the release. */
export function explanationOf(place: Place, log: string): string | undefined {
  const paths = missingIn(log, place)
  return paths.length === 0 ? undefined : missingRemedy(place, paths)
}

/** Where the app's last lines name such files, the failure's remedy is the line that brings them into the release. */
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
