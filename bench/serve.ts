/**
 * What serving costs: one release behind Gapless, plain PM2 in cluster mode and `node server.js`, asked by turns.
 *
 *   npm run bench:serve -- [--workers 1,2,4] [--lives 3] [--rounds 2] [--seconds 1] [--request TITLE] [--app FOLDER]
 *     [--profile FOLDER]
 *
 * Prints a Markdown table: medians of all rounds; how far Gapless's rate is of PM2's, with the range of the lives; and the
 * workers' processor time for an answer, which says more where other programs run beside them.
 * Two processes of one app differ by more than Gapless costs: in each life all three are started anew, in another order.
 */
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { builtExample } from './built-example.ts'
import { median } from './median.ts'
import { load, type Load } from './serve/load.ts'
import { memoryOf, processorTimeOf, type Serving, startServers, type Way, ways } from './serve/servers.ts'

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '1,2,4' },
    lives: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '1' },
    /** Only those whose title contains it. */
    request: { type: 'string', default: '' },
    app: { type: 'string' },
    /** Where the workers of Gapless and PM2 leave a profile each. */
    profile: { type: 'string' },
  },
})
const [lives, rounds, seconds] = [values.lives, values.rounds, values.seconds].map(Number) as [
  number,
  number,
  number,
]
const CONNECTIONS = 16
/** Each path is asked for so long before it counts, in seconds. */
const WARM_UP = 2

interface Case {
  readonly title: string
  readonly path: string
  readonly keepAlive: boolean
}

interface Sample extends Load {
  /** Of the workers for an answer, in µs. */
  readonly processor: number
}

/** Of one life. */
type Samples = Readonly<Record<Way, Sample[]>>

await bench()

async function bench(): Promise<void> {
  const workspace = values.app ?? (await builtExample()).path
  console.log(
    '| workers | request | connection | `node server.js` | PM2 | Gapless | of PM2 | processor, PM2 | Gapless | p99, PM2 | Gapless |\n' +
      '| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
  )
  try {
    const memory = []
    for (const workers of values.workers.split(',').map(Number))
      memory.push(await compare(workspace, workers))
    console.log(['', ...memory].join('\n'))
  } finally {
    if (values.app === undefined) rmSync(workspace, { recursive: true, force: true })
  }
}

/** @returns what it says about memory */
async function compare(workspace: string, workers: number): Promise<string> {
  const found = new Map<string, { readonly each: Case; readonly lives: Samples[] }>()
  const memory: Record<Way, number[]> = { Gapless: [], PM2: [], node: [] }
  for (let life = 0; life < lives; life += 1) {
    const order = [...ways.slice(life % ways.length), ...ways.slice(0, life % ways.length)]
    const flags = values.profile && `--cpu-prof --cpu-prof-dir=${resolve(values.profile)}`
    const { serving, stop } = await startServers({ workspace, workers, order, flags: flags ?? '' })
    try {
      for (const each of await casesOf(serving.node.port)) {
        const name = `${each.title} ${each.keepAlive}`
        const seen = found.get(name) ?? { each, lives: [] }
        found.set(name, { each, lives: [...seen.lives, await take(each, serving, order)] })
      }
      for (const way of ways) memory[way].push(memoryOf(serving[way]))
    } finally {
      await stop()
    }
  }
  for (const { each, lives: samples } of found.values()) console.log(row(workers, each, samples))
  const [ours, plain, node] = (['Gapless', 'PM2', 'node'] as const).map((way) => megabytes(memory[way]))
  return `Memory of ${workers} worker${workers === 1 ? '' : 's'}: Gapless ${ours}, PM2 ${plain}, \`node server.js\` ${node}.`
}

/** What a page of the app says about itself. */
async function casesOf(port: number): Promise<readonly Case[]> {
  const html = await (await fetch(`http://127.0.0.1:${port}/`)).text()
  const [chunk] = /\/_next\/static\/chunks\/[^"\\]+\.js/.exec(html) ?? []
  const [image] = /\/_next\/image\?[^" ]+/.exec(html) ?? []
  if (chunk === undefined || image === undefined) throw new Error('the page has no chunk or no image')
  const paths = [
    ['dynamic page', '/time'],
    ['prerendered page', '/about'],
    ['chunk', chunk],
    ['optimized image', image.replaceAll('&amp;', '&')],
  ] as const
  const wanted = paths.filter(([title]) => title.includes(values.request))
  return wanted.flatMap(([title, path]) => [true, false].map((keepAlive) => ({ title, path, keepAlive })))
}

async function take(
  { path, keepAlive }: Case,
  serving: Readonly<Record<Way, Serving>>,
  order: readonly Way[],
): Promise<Samples> {
  const samples: Samples = { Gapless: [], PM2: [], node: [] }
  const measure = async (way: Way, forSeconds: number): Promise<Sample> => {
    const before = processorTimeOf(serving[way])
    const { port } = serving[way]
    const found = await load({ port, path, keepAlive }, CONNECTIONS, forSeconds)
    return { ...found, processor: (processorTimeOf(serving[way]) - before) / found.answers }
  }
  for (const way of order) await measure(way, WARM_UP)
  for (let round = 0; round < rounds; round += 1) {
    for (const way of round % 2 === 0 ? order : order.toReversed())
      samples[way].push(await measure(way, seconds))
  }
  return samples
}

function row(workers: number, { title, keepAlive }: Case, samples: readonly Samples[]): string {
  const rates = (way: Way) => samples.flatMap((life) => life[way].map(({ rate }) => rate))
  const of = (way: Way, figure: 'p99' | 'processor') =>
    median(samples.flatMap((life) => life[way].map((one) => one[figure])))
  const ratios = samples.map((life) => {
    const [ours, plain] = [life.Gapless, life.PM2].map((some) => median(some.map(({ rate }) => rate)))
    return ours! / plain!
  })
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2))
  const cells = [
    workers,
    title,
    keepAlive ? 'kept' : 'new',
    ...(['node', 'PM2', 'Gapless'] as const).map(
      (way) => `${Math.round(median(rates(way))).toLocaleString('en')}/s`,
    ),
    `${median(ratios).toFixed(2)} (${least} to ${most})`,
    ...(['PM2', 'Gapless'] as const).map((way) => `${of(way, 'processor').toFixed(0)} µs`),
    ...(['PM2', 'Gapless'] as const).map((way) => `${of(way, 'p99').toFixed(1)} ms`),
  ]
  return `| ${cells.join(' | ')} |`
}

function megabytes(bytes: readonly number[]): string {
  return `${(median(bytes) / 1e6).toFixed(0)} MB`
}
