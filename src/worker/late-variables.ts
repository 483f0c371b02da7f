/**
 * Gives effect to variables of `env` that Node reads only when it starts (18 to 24). PM2 starts a cluster worker with
 * its daemon's environment, so the launcher sets a release's own variables in a Node that runs already.
 */
import { readFileSync } from 'node:fs'
import nodeModule, { syncBuiltinESMExports } from 'node:module'
import { resolve } from 'node:path'
import tls, { type SecureContext, type SecureContextOptions } from 'node:tls'
import workerThreads from 'node:worker_threads'

const CERTIFICATES = 'gapless:extra-certificates'

/** Of Node, and not in the types of version 18. */
interface NodeModule {
  _initPaths?(): void
  enableCompileCache?(directory: string): unknown
}
interface Tls {
  getCACertificates?(kind: 'default'): readonly string[]
  setDefaultCACertificates?(certificates: readonly string[]): void
}

/** What a thread has to add, and how. */
interface Trusted {
  readonly certificates: readonly string[]
  readonly openSsl: boolean
}

/**
 * @param env of the release
 * @param folder the app's: relative paths start there
 * @param flags that Node was started with
 */
export function applyLateVariables(
  env: Readonly<Record<string, string>>,
  folder: string,
  flags: readonly string[],
): void {
  const { NODE_PATH, NODE_COMPILE_CACHE, NODE_EXTRA_CA_CERTS } = env
  const { _initPaths, enableCompileCache } = nodeModule as NodeModule
  if (NODE_PATH) _initPaths?.()
  if (NODE_COMPILE_CACHE) enableCompileCache?.(resolve(folder, NODE_COMPILE_CACHE))
  if (!NODE_EXTRA_CA_CERTS) return
  const certificates = certificatesIn(resolve(folder, NODE_EXTRA_CA_CERTS))
  const trusted = { certificates: [...certificates], openSsl: flags.includes('--use-openssl-ca') }
  trust(trusted)
  workerThreads.setEnvironmentData(CERTIFICATES, trusted)
}

/** Does the same in a worker thread of such a process. */
export function applyToThread(): void {
  const trusted = workerThreads.getEnvironmentData(CERTIFICATES) as unknown as Trusted | undefined
  if (trusted !== undefined) trust(trusted)
}

/** A file that cannot be used does not stop Node from starting either: it warns in these words. */
function certificatesIn(file: string): readonly string[] {
  try {
    const text = readFileSync(file, 'utf8')
    const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
    if (found.length === 0) throw new Error('no certificate found')
    for (const certificate of found) tls.createSecureContext({ ca: certificate })
    return found
  } catch (error) {
    process.emitWarning(`Ignoring extra certs from \`${file}\`, load failed: ${(error as Error).message}`)
    return []
  }
}

function trust({ certificates, openSsl }: Trusted): void {
  if (certificates.length === 0) return
  const { getCACertificates, setDefaultCACertificates } = tls as Tls
  // With the flag, Node does not list OpenSSL's own certificates, and would lose them (22 and 24).
  if (getCACertificates && setDefaultCACertificates && !openSsl) {
    setDefaultCACertificates([...getCACertificates('default'), ...certificates])
  } else {
    addToContexts(certificates)
  }
}

type Create = (options?: SecureContextOptions) => SecureContext
/** `context` is OpenSSL's: Node keeps the added certificates apart from those that all contexts share (18 to 24). */
type Native = SecureContext & { readonly context: { addCACert(certificate: string): void } }

/** Options of a connection that make its context differ from that of any other one. */
const OWN_CONTEXT =
  'cert key pfx passphrase ciphers ecdhCurve sigalgs minVersion maxVersion secureProtocol secureOptions sessionIdContext ' +
  'sessionTimeout crl dhparam honorCipherOrder ticketKeys clientCertEngine privateKeyEngine privateKeyIdentifier'
const OWN = OWN_CONTEXT.split(' ')

/** For Node below 22.19, or with `--use-openssl-ca`. Everything that connects over TLS makes its context here: `https`, `fetch`, `http2`. */
function addToContexts(certificates: readonly string[]): void {
  const create: Create = tls.createSecureContext
  let shared: SecureContext | undefined
  const extended: Create = (options) => {
    const given = (options ?? {}) as Readonly<Record<string, unknown>>
    if (given['ca']) return create(options)
    const isCommon = OWN.every((name) => given[name] === undefined)
    if (isCommon && shared) return shared
    const context = create(options) as Native
    for (const certificate of certificates) context.context.addCACert(certificate)
    // One takes 10 ms in Node 18 and 20, as long as a whole connection.
    if (isCommon) shared = context
    return context
  }
  tls.createSecureContext = extended
  syncBuiltinESMExports()
}
