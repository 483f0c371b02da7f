/**
 * A visitor with a real browser: tabs that were opened on one release, each with something not asked for yet,
 * which is asked for only after another release went live.
 */
import { Agent } from 'node:http'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { send } from './load.ts'

const ARGUMENTS =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking ' +
  '--disable-component-update --disable-sync'

/** Debian's chromium, with a profile of its own that ends with it. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGUMENTS.split(' ') })
}

export interface Tabs {
  /** What each tab shows once it has done what it was opened for. */
  finish(): Promise<Readonly<Record<string, string>>>
  /** Console errors, failed requests and answers of 400 and above, of all tabs since they were opened. */
  readonly troubles: readonly string[]
  close(): Promise<void>
}

interface Plan {
  readonly path: string
  /** Before the deploy. */
  readonly prepare?: (page: Page) => Promise<unknown>
  /** After it. @returns what the visitor sees then */
  readonly act: (page: Page) => Promise<string | null>
}

const textOf = (page: Page, selector: string) => page.locator(selector).textContent({ timeout: 15_000 })

const follow = (link: string) => async (page: Page) => {
  await page.click(link)
  return textOf(page, '#next-page')
}

const load = async (page: Page) => {
  await page.click('#load')
  return textOf(page, '#part')
}

const sendBound = async (page: Page) => {
  await page.click('#bound button')
  return textOf(page, '#done')
}

const seePicture = async (page: Page) => {
  await page.locator('#picture').scrollIntoViewIfNeeded()
  const loaded = await page.waitForFunction(
    `document.querySelector('#picture').complete && document.querySelector('#picture').naturalWidth`,
    undefined,
    { timeout: 15_000 },
  )
  return `${String(await loaded.jsonValue())} pixels wide`
}

const plans = {
  'lazy chunk': { path: '/', act: load },
  'server action of a form half filled': {
    path: '/',
    prepare: (page) => page.fill('#greet input', 'Ada'),
    async act(page) {
      await page.click('#greet button')
      return textOf(page, '#result:not(:empty)')
    },
  },
  'server action with a closure, and a redirect': { path: '/', act: sendBound },
  navigation: { path: '/', act: follow('#to-next') },
  'navigation to a prefetched page': { path: '/', act: follow('#to-static') },
  'image further down': {
    path: '/',
    act: seePicture,
  },
  'lazy chunk, Pages Router': { path: '/pages', act: load },
  'navigation, Pages Router': { path: '/pages', act: follow('#to-props') },
  'navigation to a built page, Pages Router': { path: '/pages', act: follow('#to-built') },
} satisfies Record<string, Plan>

const withoutScript = {
  'server action without JavaScript': { path: '/', act: sendBound },
} satisfies Record<string, Plan>

/** Opens a tab for each plan, and waits until none of them asks for anything more. */
export async function openTabs(browser: Browser, url: string): Promise<Tabs> {
  const troubles: string[] = []
  const contexts: BrowserContext[] = []
  const open = async (group: Readonly<Record<string, Plan>>, javaScriptEnabled: boolean) => {
    const context = await browser.newContext({ javaScriptEnabled })
    contexts.push(context)
    return Promise.all(
      Object.entries(group).map(async ([name, plan]) => {
        const page = await context.newPage()
        listen(page, (trouble) => troubles.push(`${name}: ${trouble}`))
        await page.goto(url + plan.path, { waitUntil: 'networkidle' })
        await plan.prepare?.(page)
        return { name, page, plan }
      }),
    )
  }
  const tabs = [...(await open(plans, true)), ...(await open(withoutScript, false))]
  return {
    troubles,
    async finish() {
      const seen = tabs.map(async ({ name, page, plan }) => {
        const shown = plan.act(page).catch((error: unknown) => `failed: ${(error as Error).message}`)
        const text = (await shown) ?? ''
        await page.waitForLoadState('networkidle')
        return [name, text] as const
      })
      return Object.fromEntries(await Promise.all(seen))
    },
    async close() {
      for (const context of contexts) await context.close()
    },
  }
}

export interface Returning {
  /** Loads the pages one after the other. */
  visit(paths: readonly string[]): Promise<Visit>
  close(): Promise<void>
}

/** The static files that a visit needed, each with its content. */
export interface Visit {
  readonly downloaded: ReadonlyMap<string, string>
  readonly cached: ReadonlyMap<string, string>
}

/** A visitor whose browser keeps its cache from one visit to the next. */
export async function startReturning(browser: Browser, url: string): Promise<Returning> {
  const context = await browser.newContext()
  const agent = new Agent({ keepAlive: true })
  return {
    async visit(paths) {
      const sizes = new Map<string, number>()
      for (const path of paths) {
        const page = await context.newPage()
        await page.goto(url + path, { waitUntil: 'networkidle' })
        const entries = await page.evaluate(
          `performance.getEntriesByType('resource').map(({ name, transferSize }) => [name, transferSize])`,
        )
        for (const [name, size] of entries as readonly [string, number][])
          if (name.includes('/_next/static/')) sizes.set(name, Math.max(size, sizes.get(name) ?? 0))
        await page.close()
      }
      const downloaded = new Map<string, string>()
      const cached = new Map<string, string>()
      for (const [name, size] of sizes) (size > 0 ? downloaded : cached).set(name, await send(name, agent))
      return { downloaded, cached }
    },
    async close() {
      agent.destroy()
      await context.close()
    },
  }
}

export interface Visits {
  stop(): Promise<{
    readonly troubles: readonly string[]
    /** How many visits saw which part. */
    readonly parts: Readonly<Record<string, number>>
    /** How many files of pages were asked for, besides what the browser did. */
    readonly files: number
  }>
}

/**
 * A visitor who opens the page anew again and again, without a cache, and asks for its lazy part and its picture;
 * and a faster one without a browser, who asks for every file that a page names, each on a connection of its own,
 * so that it meets the workers of both releases.
 */
export function browse(browser: Browser, url: string): Visits {
  const troubles: string[] = []
  const parts: Record<string, number> = {}
  let files = 0
  let stopped = false
  const agent = new Agent({ keepAlive: false })
  const asking = (async () => {
    while (!stopped) {
      const page = await send(`${url}/`, agent)
      const names = [...page.matchAll(/(?:src|href)="(\/_next\/[^"]+)"/g)].map(([, name = '']) => name)
      await Promise.all(
        [...new Set(names)].map(async (name) => {
          files += 1
          await send(url + name.replaceAll('&amp;', '&'), agent).catch((error: unknown) =>
            troubles.push(`${name}: ${(error as Error).message.slice(0, 40)}`),
          )
        }),
      )
    }
  })()
  const visiting = (async () => {
    for (let last = false; !last;) {
      // On a busy machine a visit takes seconds: one more begins when all is done.
      last = stopped
      const context = await browser.newContext()
      const page = await context.newPage()
      listen(page, (trouble) => troubles.push(trouble))
      try {
        await page.goto(url, { waitUntil: 'load' })
        const part = (await load(page)) ?? ''
        parts[part] = (parts[part] ?? 0) + 1
        await seePicture(page)
      } catch (error) {
        troubles.push((error as Error).message)
      }
      await context.close()
    }
  })()
  return {
    async stop() {
      stopped = true
      await Promise.all([visiting, asking])
      return { troubles, parts, files }
    },
  }
}

/** By the browser itself: what a page still loads when it is left, and scripts where there is no JavaScript. */
const GIVEN_UP: ReadonlySet<string> = new Set(['net::ERR_ABORTED', 'csp'])

function listen(page: Page, tell: (trouble: string) => void): void {
  page.on('console', (message) => {
    if (message.type() === 'error') tell(`console: ${message.text()} (${message.location().url})`)
  })
  page.on('pageerror', (error) => tell(`uncaught: ${error.message}`))
  page.on('response', (response) => {
    if (response.status() >= 400) tell(`${response.status()} ${response.url()}`)
  })
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText
    if (reason === undefined || !GIVEN_UP.has(reason)) tell(`${reason} ${request.url()}`)
  })
}
