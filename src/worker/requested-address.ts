export interface RequestedAddress {
  /** 0 where any free port will do, and where no port is meant at all. */
  readonly port: number
  /** Undefined where every address is meant. */
  readonly host: string | undefined
}

/** Reads a call of `listen` or `bind`: they take `(port?, host?)`, `(path)`, `(handle)` and `(options)`. */
export function requestedAddress([first, second]: readonly unknown[]): RequestedAddress {
  const isOptions = typeof first === 'object' && first !== null
  const { port, host } = isOptions
    ? (first as { port?: unknown; host?: unknown })
    : { port: first, host: second }
  return { port: Number(port) || 0, host: typeof host === 'string' && host !== '' ? host : undefined }
}
