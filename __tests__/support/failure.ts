/** The failure that a piece of work ends with, for a test to look at. */
import { Failure } from '../../src/common/failure.ts'

export async function failureOf(work: unknown): Promise<Failure> {
  try {
    await (typeof work === 'function' ? (work as () => unknown)() : work)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('nothing failed')
}
