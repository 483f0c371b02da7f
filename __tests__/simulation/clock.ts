/** Virtual time: events happen in the order of their times, and nothing waits for a real clock. */

interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export class Clock {
  now = 0
  private order = 0
  private readonly events: Event[] = []

  /** @returns what takes the event back */
  after(ms: number, run: () => void): () => void {
    const event = { at: this.now + Math.max(0, ms), order: (this.order += 1), run }
    this.push(event)
    return () => {
      const index = this.events.indexOf(event)
      if (index >= 0) this.events.splice(index, 1)
    }
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve))
  }

  /** Runs event after event until `done`, and calls `tick` after each. @returns whether it was done in time */
  async runUntil(done: () => boolean, limitMs: number, tick: () => void = () => undefined): Promise<boolean> {
    const end = this.now + limitMs
    await settled()
    while (!done()) {
      const next = this.events[0]
      if (next === undefined || next.at > end) {
        this.now = end
        return false
      }
      this.events.shift()
      this.now = next.at
      next.run()
      await settled()
      tick()
    }
    return true
  }

  private push(event: Event): void {
    let index = this.events.length
    while (index > 0 && isLater(this.events[index - 1]!, event)) index -= 1
    this.events.splice(index, 0, event)
  }
}

function isLater(one: Event, other: Event): boolean {
  return one.at > other.at || (one.at === other.at && one.order > other.order)
}

/** Lets everything run that waits for no time. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
