/** Which native binaries of a tree a server would load, and which of them it cannot. */
import { posix } from 'node:path'
import type { Tree, TreeEntry } from './layers.ts'
import { compareVersions, readTarget, type Target } from './binary.ts'
import { readBytes, readTextIfAny } from './files.ts'
import { parseObject } from './package-json.ts'

/** The server, as far as it decides what can run there. */
export interface Machine {
  readonly node: string
  readonly nodeAbi: string
  readonly platform: string
  /** In the words of `process.arch`. */
  readonly arch: string
  /** glibc's version, or null where the C library is musl. */
  readonly glibc: string | null
  /** The `flags` of /proc/cpuinfo; empty where the system does not tell. */
  readonly cpuFlags: readonly string[]
}

export interface Misfit {
  /** One sentence: what does not fit, and what the server is. */
  readonly problem: string
  readonly remedy: string
}

/** What a binary belongs to. */
interface Owner {
  /** The same for all alternatives. */
  readonly key: string
  /** A package with its version, or the folder. */
  readonly name: string
  /** What to install for another platform. */
  readonly packageName: string
  /** Its packages are installed only where they fit, such as fsevents (`"os": ["darwin"]`). */
  readonly optional: boolean
}

/** Alternative binaries: a server loads the one that is made for it. */
interface Family extends Owner {
  /** WebAssembly is used where no binary fits. */
  readonly hasWasm: boolean
  readonly targets: readonly Target[]
}

/** `.node` and shared objects. Executables are started by name and not checked. */
const LOADABLE = /\.(node|dylib|dll|so(\.\d+)*)$/
const WASM = /-wasm32\b.*\.wasm$/

/** All that `findMisfits` reads: the rest of a tree need not be kept for it. */
export function tellsOfBinaries({ kind, path }: TreeEntry): boolean {
  return kind === 'file' && (LOADABLE.test(path) || WASM.test(path) || path.endsWith('/package.json'))
}

export function findMisfits({ entries }: Tree, machine: Machine): readonly Misfit[] {
  return familiesIn(entries).flatMap((family) => misfitsOf(family, machine))
}

function misfitsOf(family: Family, machine: Machine): readonly Misfit[] {
  const { name, packageName, targets, optional, hasWasm } = family
  const loaded = targets.filter((target) => runsOn(target, machine))
  if (loaded.length === 0) {
    if (optional || hasWasm) return []
    const built = list(targets.map(describe))
    const problem = `${name} is built for ${built}, and the server is ${describeMachine(machine)}`
    return [{ problem, remedy: remedyForPlatform(packageName, machine) }]
  }
  const newest = loaded
    .flatMap(({ glibc }) => glibc ?? [])
    .toSorted(compareVersions)
    .at(-1)
  // A package falls back on its module with Node-API.
  const abis = loaded.every(({ abi }) => abi !== null) ? loaded.flatMap(({ abi }) => abi ?? []) : []
  const tooNew = newest !== undefined && machine.glibc !== null && compareVersions(newest, machine.glibc) > 0
  const lacksSse42 = machine.cpuFlags.length > 0 && !machine.cpuFlags.includes('sse4_2')
  const misfits = [
    tooNew && {
      problem: `${name} needs glibc ${newest} or later, and the server has ${machine.glibc}`,
      remedy:
        'Build on a system as old as the server, for example in a container of its distribution, or update the server.',
    },
    abis.length > 0 &&
      !abis.includes(machine.nodeAbi) && {
        problem: `${name} is compiled for a Node.js with module version ${list(abis)}, and the server's Node.js ${machine.node} has ${machine.nodeAbi}`,
        remedy: `Build with the Node.js that the server runs: set node-version of actions/setup-node to ${machine.node}.`,
      },
    needsSse42(family, machine) &&
      lacksSse42 && {
        problem: `${name} needs a processor of the level x86-64-v2, and the server's has no SSE 4.2`,
        remedy:
          "If it is a virtual machine, give it the host's processor type (QEMU's default lacks SSE 4.2). " +
          'Otherwise compile sharp from source against the system’s libvips.',
      },
  ]
  return misfits.filter((misfit) => misfit !== false)
}

/** sharp 0.33 to 0.35 itself checks for SSE 4.2 at run time, in its binaries for x64 alone. */
function needsSse42({ packageName }: Family, { arch }: Machine): boolean {
  return arch === 'x64' && packageName === '@img/sharp'
}

function runsOn({ platform, arch, libc, needsGlibcLoader }: Target, machine: Machine): boolean {
  if (platform !== machine.platform || arch !== machine.arch) return false
  if (machine.glibc !== null) return libc !== 'musl'
  // musl also answers to libc.so.6 (1.1 and 1.2): a binary that needs no more of glibc may run there.
  return libc !== 'glibc' || !needsGlibcLoader
}

function describe({ platform, arch, libc }: Target): string {
  return `${platform} ${arch}${libc === null ? '' : ` (${libc})`}`
}

function describeMachine({ platform, arch, glibc }: Machine): string {
  return `${platform} ${arch} (${glibc === null ? 'musl' : `glibc ${glibc}`})`
}

function list(words: readonly string[]): string {
  return [...new Set(words)].toSorted().join(', ')
}

/** npm's --os and --cpu would do, but they replace what is installed, the compiler of Next.js too (npm 10 and 11). */
function remedyForPlatform(packageName: string, machine: Machine): string {
  return (
    'Build on a system like the server (for arm64: `runs-on: ubuntu-24.04-arm`), or install the binary for ' +
    `${describeMachine(machine)} beside your own: with npm \`npm install --no-save --force\` and the name and version ` +
    'of its package, with pnpm and Yarn by `supportedArchitectures`. ' +
    `If the app never loads ${packageName} at run time, leave it out with outputFileTracingExcludes.`
  )
}

function familiesIn(entries: readonly TreeEntry[]): readonly Family[] {
  const files = entries.filter((entry) => entry.kind === 'file')
  const sources = new Map(files.map(({ path, source }) => [path, source]))
  const wasm = new Set(
    files.filter(({ path }) => WASM.test(path)).map(({ path }) => ownerOf(path, sources).key),
  )
  const found = files
    .filter(({ path }) => LOADABLE.test(path))
    .flatMap(({ path, source }) => {
      const target = readTarget(readBytes(source))
      return target === undefined ? [] : [{ owner: ownerOf(path, sources), target }]
    })
  const keys = [...new Set(found.map(({ owner }) => owner.key))]
  return keys.map((key) => {
    const members = found.filter(({ owner }) => owner.key === key)
    return {
      ...members[0]!.owner,
      optional: members.every(({ owner }) => owner.optional),
      hasWasm: wasm.has(key),
      targets: members.map(({ target }) => target),
    }
  })
}

/**
 * Returns the package that a binary belongs to. Packages that differ only in the platform in their name
 * (`@img/sharp-linux-x64`, `@img/sharp-darwin-arm64`) are one family. Any other package is its own family, with
 * all binaries in it (`prebuilds/linux-x64`, `prebuilds/darwin-arm64`), except for what was compiled in place:
 * node-gyp leaves one binary, which is preferred to every prebuilt one.
 */
function ownerOf(path: string, sources: ReadonlyMap<string, string>): Owner {
  const [, root, fullName] = /^(.*(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(path) ?? []
  if (root === undefined || fullName === undefined) {
    const folder = posix.dirname(path)
    return { key: folder, name: path, packageName: path, optional: false }
  }
  const source = sources.get(`${root}/package.json`)
  const manifest = source === undefined ? undefined : parseObject(readTextIfAny(source) ?? '')
  const version = typeof manifest?.version === 'string' ? manifest.version : undefined
  const family = withoutPlatform(fullName)
  const packageName = family === '' ? fullName : family
  const name = version === undefined ? packageName : `${packageName} ${version}`
  if (family !== fullName) return { key: `${family}@${version ?? ''}`, name, packageName, optional: false }
  const compiled = path.startsWith(`${root}/build/`)
  return { key: compiled ? `${root}/build` : root, name, packageName, optional: namesPlatforms(manifest?.os) }
}

/** Whether package.json's `os` excludes Linux: its dependents can do without the package then. */
function namesPlatforms(os: unknown): boolean {
  return (
    Array.isArray(os) &&
    os.length > 0 &&
    !os.includes('linux') &&
    !os.some((each) => String(each).startsWith('!'))
  )
}

const PLATFORM_WORDS: ReadonlySet<string> = new Set(
  (
    'linux linuxmusl darwin macos osx win32 windows android freebsd openbsd netbsd sunos aix openharmony ' +
    'x64 x86 ia32 i686 x86_64 amd64 64 32 arm arm64 armv6 armv7 armv7l aarch64 riscv64 ppc64 ppc64le s390x loong64 ' +
    'loongarch64 universal gnu glibc musl gnueabihf musleabihf gnueabi musleabi msvc eabi wasm32 wasi baseline'
  ).split(' '),
)

/** `@img/sharp-linuxmusl-x64` → `@img/sharp`; `@esbuild/linux-x64` → `@esbuild`. */
function withoutPlatform(packageName: string): string {
  const scope = packageName.startsWith('@') ? packageName.split('/', 1)[0]! : ''
  const name = scope === '' ? packageName : packageName.slice(scope.length + 1)
  const words = name.split('-').filter((word) => !PLATFORM_WORDS.has(word))
  if (words.length === 0) return scope
  return scope === '' ? words.join('-') : `${scope}/${words.join('-')}`
}
