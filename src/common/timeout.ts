/**
 * Settles as `answer` does, or rejects with the error of `late`.
 * @param timeoutMs from now on
 */
export function withTimeout<T>(answer: Promise<T>, timeoutMs: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), timeoutMs)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
