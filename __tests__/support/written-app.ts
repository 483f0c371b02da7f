/** A small app of Next.js in a temporary folder, from its files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface NextVersion {
  readonly next: string
  readonly react: string
}

/** @param more dependencies */
export function writeApp(
  name: string,
  { next, react }: NextVersion,
  files: Readonly<Record<string, string | Buffer>>,
  more: Readonly<Record<string, string>> = {},
) {
  const path = mkdtempSync(join(tmpdir(), `gapless-${name}-`))
  const write = (file: string, content: string | Buffer) => {
    mkdirSync(dirname(join(path, file)), { recursive: true })
    writeFileSync(join(path, file), content)
  }
  const dependencies = { next, react, 'react-dom': react, ...more }
  const manifest = { name: 'next-app', private: true, scripts: { build: 'next build' }, dependencies }
  for (const [file, content] of Object.entries({ 'package.json': JSON.stringify(manifest), ...files }))
    write(file, content)
  return {
    path,
    write,
    setMessage: (message: string) => write('message.js', `export const message = '${message}'\n`),
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}
