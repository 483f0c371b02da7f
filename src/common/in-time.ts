/** Settles as `answer` does, or fails with what `late` says. @param timeoutMs from now on */
export function inTime<T>(answer: Promise<T>, timeoutMs: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), timeoutMs)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
