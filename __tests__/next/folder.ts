import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach } from '@jest/globals'

/** A real folder for one test. */
export class Folder {
  readonly path: string

  constructor() {
    this.path = realpathSync(mkdtempSync(join(tmpdir(), 'next-')))
  }

  at(...names: string[]): string {
    return join(this.path, ...names)
  }

  /** Writes a file; anything but a text is written as JSON. */
  write(name: string, content: unknown = '', mode = 0o644): this {
    this.directory(dirname(name))
    writeFileSync(this.at(name), typeof content === 'string' ? content : JSON.stringify(content), { mode })
    return this
  }

  directory(name: string): this {
    mkdirSync(this.at(name), { recursive: true })
    return this
  }

  link(name: string, target: string): this {
    this.directory(dirname(name))
    symlinkSync(target, this.at(name))
    return this
  }
}

/** Makes folders that are removed after the test. */
export function folders(): () => Folder {
  const made: Folder[] = []
  afterEach(() => {
    for (const { path } of made.splice(0)) rmSync(path, { recursive: true })
  })
  return () => {
    const folder = new Folder()
    made.push(folder)
    return folder
  }
}

/** The folder of an app as `next build` leaves it, as seen with Next.js 16.4. */
export function writeBuild(
  folder: Folder,
  {
    app = '',
    relativeAppDir = app,
    distDir = '.next',
    config = {},
  }: { app?: string; relativeAppDir?: string; distDir?: string; config?: Record<string, unknown> } = {},
): void {
  const dist = join(app, distDir)
  const server = join(dist, 'standalone', relativeAppDir)
  const serverFiles = {
    version: 1,
    appDir: folder.at(app),
    relativeAppDir,
    config: { output: 'standalone', distDir, basePath: '', ...config },
  }
  folder
    .write(join(dist, 'required-server-files.json'), serverFiles)
    .write(join(server, distDir, 'required-server-files.json'), serverFiles)
    .write(join(dist, 'BUILD_ID'), 'build-1')
    .write(join(server, 'server.js'), '// server')
    .write(join(server, distDir, 'BUILD_ID'), 'build-1')
    .write(join(dist, 'static/chunks/main.js'), '// chunk')
    .write(join(dist, 'standalone/node_modules/next/package.json'), {
      name: 'next',
      version: '16.4.6',
      engines: { node: '>=20.9.0' },
    })
}
