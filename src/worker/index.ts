import { launch } from './main.ts'

/** The bundle is CommonJS; Node gives the real path, whatever links led here. */
declare const __filename: string

launch(__filename, process.argv.includes('--candidate')).catch((error: unknown) => {
  console.error(error)
  process.exit(1)
})
