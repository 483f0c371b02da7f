/** What a native binary was built for, by its own header: names can be wrong, and not every package has them. */

export interface Target {
  /** `android` and `bsd` are ELF as well. */
  readonly platform: 'linux' | 'android' | 'bsd' | 'darwin' | 'win32'
  /** In the words of `process.arch`; `universal` for several in one file. */
  readonly arch: string
  /** The C library it is linked with, or null when it needs none. */
  readonly libc: 'glibc' | 'musl' | null
  /** It requires glibc's own loader, which musl does not replace as it does libc.so.6. */
  readonly needsGlibcLoader: boolean
  /** The newest glibc whose symbols it needs, such as `2.28`. */
  readonly glibc: string | null
  /** The `NODE_MODULE_VERSION` it was compiled for; null with Node-API, which every version of Node can load. */
  readonly abi: string | null
}

/** @returns undefined when the content is no binary: a text, an empty file */
export function readTarget(content: Buffer): Target | undefined {
  if (content.length < 64) return undefined
  const magic = content.readUInt32BE(0)
  if (magic === 0x7f454c46) return readElf(content)
  if (magic === 0xcafebabe) return foreign('darwin', 'universal')
  if (magic === 0xcffaedfe) return foreign('darwin', nameOf(MACH_O_CPUS, content.readUInt32LE(4)))
  if (content.toString('latin1', 0, 2) === 'MZ') return readPe(content)
  return undefined
}

const ELF_MACHINES = new Map([
  [3, 'ia32'],
  [21, 'ppc64'],
  [22, 's390x'],
  [40, 'arm'],
  [62, 'x64'],
  [183, 'arm64'],
  [243, 'riscv64'],
  [258, 'loong64'],
])
const MACH_O_CPUS = new Map([
  [0x01000007, 'x64'],
  [0x0100000c, 'arm64'],
])
const PE_MACHINES = new Map([
  [0x014c, 'ia32'],
  [0x8664, 'x64'],
  [0xaa64, 'arm64'],
])

function nameOf(names: ReadonlyMap<number, string>, machine: number): string {
  return names.get(machine) ?? `machine 0x${machine.toString(16)}`
}

function foreign(platform: Target['platform'], arch: string): Target {
  return { platform, arch, libc: null, needsGlibcLoader: false, glibc: null, abi: null }
}

function readPe(content: Buffer): Target | undefined {
  const header = content.readUInt32LE(0x3c)
  if (header + 6 > content.length || content.toString('latin1', header, header + 2) !== 'PE') return undefined
  return foreign('win32', nameOf(PE_MACHINES, content.readUInt16LE(header + 4)))
}

const OSABI_FREEBSD = 9

function readElf(content: Buffer): Target {
  const { machine, needed, versions } = readDynamicSection(content)
  const arch = nameOf(ELF_MACHINES, machine)
  // Bionic's symbols have the version LIBC; its library has the name that musl's has with musl-gcc.
  if (versions.includes('LIBC')) return foreign('android', arch)
  const bsd = content[7] === OSABI_FREEBSD || needed.some((name) => /^libc\.so\.(?!6$)/.test(name))
  if (bsd) return foreign('bsd', arch)
  const glibc = versions.flatMap((version) => /^GLIBC_(\d+(?:\.\d+)+)$/.exec(version)?.[1] ?? [])
  const usesGlibc = glibc.length > 0 || needed.includes('libc.so.6')
  const usesMusl = needed.some((name) => /^(libc\.so$|libc\.musl-|ld-musl-)/.test(name))
  return {
    platform: 'linux',
    arch,
    libc: usesGlibc ? 'glibc' : usesMusl ? 'musl' : null,
    needsGlibcLoader: needed.some((name) => name.startsWith('ld-linux')),
    glibc: glibc.toSorted(compareVersions).at(-1) ?? null,
    // The name of the function that a module without Node-API registers itself with (node.h, Node 10 to 24).
    abi: /node_register_module_v(\d+)/.exec(stringsAround(content))?.[1] ?? null,
  }
}

function stringsAround(content: Buffer): string {
  const at = content.indexOf('node_register_module_v')
  return at === -1 ? '' : content.toString('latin1', at, at + 40)
}

/** Compares dotted numbers, such as glibc's versions. @returns negative when `a` is older */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)]
  const differing = left.findIndex((part, index) => part !== (right[index] ?? 0))
  if (differing === -1) return right.length > left.length ? -1 : 0
  return left[differing]! - (right[differing] ?? 0)
}

interface DynamicSection {
  readonly machine: number
  readonly needed: readonly string[]
  readonly versions: readonly string[]
}

const OUT_OF_BOUNDS: ReadonlySet<string | undefined> = new Set([
  'ERR_OUT_OF_RANGE',
  'ERR_BUFFER_OUT_OF_BOUNDS',
])

const PT_LOAD = 1
const PT_DYNAMIC = 2
const DT_NEEDED = 1
const DT_STRTAB = 5
const DT_VERNEED = 0x6ffffffe
const DT_VERNEEDNUM = 0x6fffffff
const VER_FLG_WEAK = 2

/** The part of the ELF format that says what a shared object is linked with, for 32 and 64 bits. */
function readDynamicSection(content: Buffer): DynamicSection {
  const wide = content[4] === 2
  const little = content[5] === 1
  const u16 = (at: number) => (little ? content.readUInt16LE(at) : content.readUInt16BE(at))
  const u32 = (at: number) => (little ? content.readUInt32LE(at) : content.readUInt32BE(at))
  const u64 = (at: number) => Number(little ? content.readBigUInt64LE(at) : content.readBigUInt64BE(at))
  const word = wide ? u64 : u32
  const machine = u16(18)
  const none = { machine, needed: [], versions: [] }
  try {
    const [table, size, count] = wide ? [u64(32), u16(54), u16(56)] : [u32(28), u16(42), u16(44)]
    const segments = Array.from({ length: count }, (_, index) => {
      const at = table + index * size
      return wide
        ? { type: u32(at), offset: u64(at + 8), address: u64(at + 16), size: u64(at + 32) }
        : { type: u32(at), offset: u32(at + 4), address: u32(at + 8), size: u32(at + 16) }
    })
    const dynamic = segments.find(({ type }) => type === PT_DYNAMIC)
    if (dynamic === undefined) return none
    const fileOffset = (address: number): number => {
      const within = segments.find(
        (each) => each.type === PT_LOAD && address >= each.address && address < each.address + each.size,
      )
      return within === undefined ? Number.NaN : address - within.address + within.offset
    }
    const width = wide ? 8 : 4
    const entries = Array.from({ length: Math.floor(dynamic.size / (2 * width)) }, (_, index) => {
      const at = dynamic.offset + index * 2 * width
      return { tag: word(at), value: word(at + width) }
    })
    const valueOf = (wanted: number) => entries.find(({ tag }) => tag === wanted)?.value
    const strings = fileOffset(valueOf(DT_STRTAB) ?? -1)
    const text = (at: number) => content.toString('latin1', strings + at, content.indexOf(0, strings + at))
    const needed = entries.flatMap(({ tag, value }) => (tag === DT_NEEDED ? [text(value)] : []))

    /** Records that each say how far the next one is; 0 says that there is none. */
    function* chain(first: number, count: number, nextAt: number): Iterable<number> {
      let [at, left] = [first, count]
      while (left > 0) {
        yield at
        const step = u32(at + nextAt)
        left = step === 0 ? 0 : left - 1
        at += step
      }
    }
    const versions: string[] = []
    for (const record of chain(fileOffset(valueOf(DT_VERNEED) ?? -1), valueOf(DT_VERNEEDNUM) ?? 0, 12)) {
      for (const need of chain(record + u32(record + 8), u16(record + 2), 12)) {
        // A weak dependency may be missing.
        if ((u16(need + 4) & VER_FLG_WEAK) === 0) versions.push(text(u32(need + 8)))
      }
    }
    return { machine, needed, versions }
  } catch (error) {
    // Offsets that lead nowhere: stripped by some tool, or truncated. The machine is known all the same.
    if (OUT_OF_BOUNDS.has((error as NodeJS.ErrnoException).code)) return none
    throw error
  }
}
