import { beforeAll, describe, expect, test } from '@jest/globals'
import type { Tree } from '../../src/next/layers.ts'
import { assertFits, assertNodeFits, doubtAboutNode } from '../../src/next/fit.ts'
import type { Machine } from '../../src/next/native-modules.ts'
import { type BuildOutput, readBuildOutput } from '../../src/next/output.ts'
import { failureOf } from '../support/failure.ts'
import { fetchPackage } from '../support/registry.ts'
import { type Content, writeTree } from '../support/tree.ts'
import { folders, writeBuild } from './folder.ts'

const folder = folders()

const debian: Machine = {
  node: '20.19.5',
  nodeAbi: '115',
  platform: 'linux',
  arch: 'x64',
  glibc: '2.36',
  cpuFlags: ['fpu', 'sse4_1', 'sse4_2'],
}
const alpine: Machine = { ...debian, glibc: null }
const raspberry: Machine = { ...debian, arch: 'arm64', cpuFlags: [] }

type Files = Readonly<Record<string, Content>>

function misfit(files: Files, machine: Machine) {
  const app = folder()
  writeBuild(app)
  const tree = writeTree(folder().path, files)
  return failureOf(() => assertFits(tree, readBuildOutput(app.path), machine))
}

/** Passes, or throws what would be shown. */
function fits(files: Files, machine: Machine, output: Partial<BuildOutput> = {}): void {
  const app = folder()
  writeBuild(app)
  const tree: Tree = writeTree(folder().path, files)
  assertFits(tree, { ...readBuildOutput(app.path), ...output }, machine)
}

/** A package of @node-rs/bcrypt with its real binary, as an installation has it. */
async function bcrypt(system: string, version = '1.10.7', modules = 'node_modules'): Promise<Files> {
  const read = await fetchPackage(`@node-rs/bcrypt-${system}@1.10.7`)
  const path = `${modules}/@node-rs/bcrypt-${system}`
  return {
    [`${path}/package.json`]: JSON.stringify({ name: `@node-rs/bcrypt-${system}`, version }),
    [`${path}/bcrypt.${system}.node`]: read(`bcrypt.${system}.node`),
  }
}

async function prebuilds(): Promise<Files> {
  const read = await fetchPackage('bufferutil@4.1.0')
  const systems = ['darwin-arm64', 'darwin-x64', 'linux-x64', 'win32-ia32', 'win32-x64']
  return {
    'node_modules/bufferutil/package.json': read('package.json'),
    ...Object.fromEntries(
      systems.map((system) => [
        `node_modules/bufferutil/prebuilds/${system}/bufferutil.node`,
        read(`prebuilds/${system}/bufferutil.node`),
      ]),
    ),
  }
}

describe('packages for one platform each', () => {
  test('fit where they belong, also in a folder of pnpm', async () => {
    fits(await bcrypt('linux-x64-gnu'), debian)
    fits(await bcrypt('linux-x64-musl'), alpine)
    fits(await bcrypt('linux-arm64-gnu'), raspberry)
    fits(await bcrypt('linux-x64-gnu', '1.10.7', 'node_modules/.pnpm/x@1.10.7/node_modules'), debian)
  })

  test.each<[string, string, Machine, string]>([
    ['macOS', 'darwin-arm64', debian, 'built for darwin arm64, and the server is linux x64 (glibc 2.36)'],
    ['Windows', 'win32-x64-msvc', debian, 'built for win32 x64, and'],
    ['another processor', 'linux-arm64-gnu', debian, 'built for linux arm64 (glibc), and'],
    ['another C library', 'linux-x64-musl', debian, 'built for linux x64 (musl), and'],
    ['another C library', 'linux-x64-gnu', alpine, 'and the server is linux x64 (musl)'],
    ['Android', 'android-arm64', raspberry, 'built for android arm64, and'],
  ])('do not fit when there is only one for %s', async (_, system, machine, words) => {
    const failure = await misfit(await bcrypt(system), machine)
    expect(failure.code).toBe('release-unfit')
    expect(failure.message).toContain('@node-rs/bcrypt 1.10.7 is ')
    expect(failure.message).toContain(words)
    expect(failure.remedy).toContain(`install the binary for linux ${machine.arch} (`)
    expect(failure.remedy).toContain('outputFileTracingExcludes')
  })

  test('linked with glibc, may run on musl when they do not ask for its loader', async () => {
    const read = await fetchPackage('bufferutil@4.1.0')
    const path = 'node_modules/bufferutil/prebuilds/linux-x64/bufferutil.node'
    fits({ [path]: read('prebuilds/linux-x64/bufferutil.node') }, alpine)
  })

  test('may lie beside each other: one that fits is enough', async () => {
    const every = {
      ...(await bcrypt('linux-x64-gnu')),
      ...(await bcrypt('linux-x64-musl')),
      ...(await bcrypt('darwin-arm64')),
      ...(await bcrypt('win32-x64-msvc')),
    }
    fits(every, debian)
    fits(every, alpine)
    const failure = await misfit(every, raspberry)
    expect(failure.message).toContain('darwin arm64, linux x64 (glibc), linux x64 (musl), win32 x64')
  })

  test('stand for one another in the same version only', async () => {
    const versions = {
      ...(await bcrypt('linux-x64-gnu', '1.10.6', 'node_modules/a/node_modules')),
      ...(await bcrypt('darwin-arm64', '1.10.7')),
    }
    expect((await misfit(versions, debian)).message).toContain('@node-rs/bcrypt 1.10.7')
  })

  test('may have WebAssembly to fall back on', async () => {
    const wasm = {
      'node_modules/@node-rs/bcrypt-wasm32-wasi/package.json': '{ "version": "1.10.7" }',
      'node_modules/@node-rs/bcrypt-wasm32-wasi/bcrypt.wasm32-wasi.wasm': '\0asm',
    }
    fits({ ...(await bcrypt('darwin-arm64')), ...wasm }, debian)
  })
})

describe('a package with its own binaries', () => {
  test('fits when one of its prebuilt ones does', async () => {
    const files = await prebuilds()
    fits(files, debian)
    const failure = await misfit(files, raspberry)
    expect(failure.message).toContain('bufferutil 4.1.0 is built for darwin arm64, darwin x64, linux x64')
  })

  test('does not fit when what was compiled in place, and comes first, does not', async () => {
    const compiled = (await fetchPackage('bufferutil@4.1.0'))('prebuilds/darwin-arm64/bufferutil.node')
    const files = {
      ...(await prebuilds()),
      'node_modules/bufferutil/build/Release/bufferutil.node': compiled,
    }
    expect((await misfit(files, debian)).message).toContain('bufferutil 4.1.0 is built for darwin arm64, and')
  })

  test('that is for other systems alone is nobody’s need', async () => {
    const binary = (await fetchPackage('bufferutil@4.1.0'))('prebuilds/darwin-arm64/bufferutil.node')
    const files = (os: readonly string[] | undefined) => ({
      'node_modules/fsevents/package.json': JSON.stringify({ version: '2.3.3', os }),
      'node_modules/fsevents/fsevents.node': binary,
    })
    fits(files(['darwin']), debian)
    expect((await misfit(files(undefined), debian)).message).toContain('fsevents 2.3.3')
    expect((await misfit(files(['!win32']), debian)).message).toContain('fsevents 2.3.3')
  })
})

test('binaries beside the app’s own code stand for one another in their folder', async () => {
  const engine = async (system: string) =>
    (await fetchPackage(`@node-rs/bcrypt-${system}@1.10.7`))(`bcrypt.${system}.node`)
  const darwin = { 'src/generated/libquery_engine-darwin-arm64.dylib.node': await engine('darwin-arm64') }
  const linux = { 'src/generated/libquery_engine-debian.so.node': await engine('linux-x64-gnu') }
  fits({ ...darwin, ...linux }, debian)
  expect((await misfit(darwin, debian)).message).toContain(
    'src/generated/libquery_engine-darwin-arm64.dylib.node',
  )
})

test('ignores a text file with the name of a binary', () => {
  fits({ 'node_modules/x/a.node': 'module.exports = 1', 'node_modules/x/b.so': '' }, debian)
})

describe('finer needs of a binary that would be loaded', () => {
  test('a newer glibc than the server’s', async () => {
    const files = await bcrypt('linux-x64-gnu')
    fits(files, { ...debian, glibc: '2.14' })
    const failure = await misfit(files, { ...debian, glibc: '2.9' })
    expect(failure.message).toContain('needs glibc 2.14 or later, and the server has 2.9')
  })

  test('a Node.js of the version it was compiled for', async () => {
    const folder = 'node_modules/better-sqlite3/build/Release'
    const asNodeApi = { [`${folder}/node.napi.node`]: elfWith('napi_register_module_v1') }
    const compiled = (abi: string) => ({
      'node_modules/better-sqlite3/package.json': '{ "version": "12.0.0" }',
      [`${folder}/better_sqlite3.node`]: elfWith(`node_register_module_v${abi}`),
    })
    fits(compiled('115'), debian)
    fits({ ...compiled('137'), ...asNodeApi }, debian)
    const failure = await misfit(compiled('137'), debian)
    expect(failure.message).toContain('better-sqlite3 12.0.0 is compiled for')
    expect(failure.message).toContain("with module version 137, and the server's Node.js 20.19.5 has 115")
    expect(failure.remedy).toContain('node-version')
  })

  describe('sharp', () => {
    let sharp: Files
    beforeAll(async () => {
      const read = await fetchPackage('@img/sharp-linux-x64@0.34.5')
      sharp = {
        'node_modules/@img/sharp-linux-x64/package.json': read('package.json'),
        'node_modules/@img/sharp-linux-x64/lib/sharp-linux-x64.node': read('lib/sharp-linux-x64.node'),
      }
    })

    test('a processor of x86-64-v2', async () => {
      fits(sharp, debian)
      const failure = await misfit(sharp, { ...debian, cpuFlags: ['fpu', 'sse2'] })
      expect(failure.message).toContain('@img/sharp 0.34.5 needs a processor of the level x86-64-v2')
      expect(failure.remedy).toContain('QEMU')
    })

    test('which is not doubted where the system does not tell', () => {
      fits(sharp, { ...debian, cpuFlags: [] })
    })
  })
})

describe('the server’s Node.js', () => {
  test('against the app’s engines', async () => {
    const asks = (...ranges: readonly string[]) => ({
      nodeRanges: ranges.map((range) => ({ range, file: 'package.json' })),
    })
    for (const project of [asks(), asks('>=20'), asks('lts/*')]) assertNodeFits(project, debian)
    const failure = await failureOf(() => assertNodeFits(asks('>=18', '22.x'), debian))
    expect(failure.code).toBe('release-unfit')
    expect(failure.message).toBe(
      'The release does not fit the server: the app requires Node.js 22.x (`engines.node` in package.json), and the server runs 20.19.5.',
    )
    expect(failure.remedy).toContain('PM2')
  })

  test('against the Node.js that builds', () => {
    const warned = [undefined, '20.9.0', '24.1.0'].map((builder) => doubtAboutNode(builder, debian))
    expect(warned).toEqual([undefined, undefined, expect.stringContaining('`node-version: 20`')])
    expect(warned[2]).toMatch(/^Node.js 24.1.0 builds the app, and Node.js 20.19.5 serves it/)
  })

  test('against Next.js’s own', async () => {
    const output = { nextVersion: '16.4.6', nextNodeRange: '>=20.9.0' }
    fits({}, debian, output)
    const failure = await failureOf(() => fits({}, { ...debian, node: '18.20.8' }, output))
    expect(failure.message).toContain('Next.js 16.4.6 requires Node.js >=20.9.0')
  })
})

test('lists everything that does not fit in one error', async () => {
  const files = { ...(await bcrypt('darwin-arm64')), ...(await prebuilds()) }
  const failure = await misfit(files, raspberry)
  expect(failure.message).toMatch(/: @node-rs\/bcrypt 1\.10\.7 .* \(and 1 more\)\.$/)
  expect(failure.evidence).toContain('@node-rs/bcrypt 1.10.7')
  expect(failure.evidence).toContain('bufferutil 4.1.0')
})

/** The header of an ELF file for x64, and a text after it. */
function elfWith(text: string): Buffer {
  const header = Buffer.alloc(64)
  header.write('\x7fELF\x02\x01', 'latin1')
  header.writeUInt16LE(62, 18)
  return Buffer.concat([header, Buffer.from(`\0${text}\0`)])
}
