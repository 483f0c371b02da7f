/** One bit for each file of a manifest, in its order. */
export class Bitmap {
  #bytes: Uint8Array
  #count = 0

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#bytes = bytes
    for (const byte of bytes) for (let bits = byte; bits > 0; bits &= bits - 1) this.#count += 1
  }

  /** @param text base64; what it is too short for is not set */
  static parse(text: string): Bitmap {
    return new Bitmap(Buffer.from(text, 'base64'))
  }

  get count(): number {
    return this.#count
  }

  has(index: number): boolean {
    return (((this.#bytes[index >> 3] ?? 0) >> (index & 7)) & 1) === 1
  }

  set(index: number): void {
    if (this.has(index)) return
    const at = index >> 3
    if (at >= this.#bytes.length) {
      const larger = new Uint8Array(Math.max(16, at + 1, this.#bytes.length * 2))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    this.#bytes[at] = this.#bytes[at]! | (1 << (index & 7))
    this.#count += 1
  }

  include(other: Bitmap): void {
    for (let index = 0; index < other.#bytes.length * 8; index += 1) if (other.has(index)) this.set(index)
  }

  /** Returns base64, up to the last bit that is set. */
  format(): string {
    const end = this.#bytes.findLastIndex((byte) => byte !== 0) + 1
    return Buffer.from(this.#bytes.subarray(0, end)).toString('base64')
  }
}
