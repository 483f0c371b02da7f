/** Tries to write, and returns why that failed, or null. */
export function problemOf(write: () => void): string | null {
  try {
    write()
    return null
  } catch (error) {
    return (error as Error).message
  }
}
