/** What the simulation claims about PM2, as things to try: on the fake one, and on the real ones. */
import type { Pm2Options, Pm2Process } from '../../src/agent/pm2/client.ts'

/** What the next workers do. */
export interface Behaviour {
  /** In ms; null: never. */
  readonly readyAfter: number | null
  readonly exitsAfter: number | null
  /** How long it takes to leave, in ms. */
  readonly drainMs: number
}

export const prompt: Behaviour = { readyAfter: 100, exitsAfter: null, drainMs: 500 }

export interface Pm2OnTrial {
  /** From here on, for workers that start. */
  behave(behaviour: Behaviour): void
  start(): Promise<void>
  reload(id: number): Promise<void>
  restart(id: number): Promise<void>
  stop(id: number): Promise<void>
  remove(id: number): Promise<void>
  duplicate(id: number): Promise<void>
  list(): Promise<readonly Pm2Process[]>
  isReplacing(id: number): Promise<boolean>
  /** Whether a worker lives. */
  lives(pid: number): boolean
  until(what: string, condition: () => Promise<boolean>): Promise<void>
  sleep(ms: number): Promise<void>
}

export const options: Pm2Options = {
  wait_ready: true,
  listen_timeout: 4000,
  kill_timeout: 3000,
  max_memory_restart: null,
  node_args: [],
  UV_THREADPOOL_SIZE: null,
}

type Claim = (pm2: Pm2OnTrial) => Promise<void>

const the = async (pm2: Pm2OnTrial, id = 0) => (await pm2.list()).find((process) => process.id === id)

function claim(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not so: ${what}`)
}

/** Starts the app with one worker that is ready. @returns its pid */
async function running(pm2: Pm2OnTrial): Promise<number> {
  pm2.behave(prompt)
  await pm2.start()
  await pm2.until('it is online', async () => (await the(pm2))?.status === 'online')
  return (await the(pm2))!.pid
}

/** PM2 5.4 and 6 leave it stopped, and the simulation takes the worse. */
export const ONLY_IN_7 = 'a worker that is stopped before it was ready is started again'

export const claims: readonly (readonly [name: string, Claim])[] = [
  [
    'a reload keeps the old worker aside until the new one is ready, and ends when it has left',
    async (pm2) => {
      const old = await running(pm2)
      pm2.behave({ ...prompt, readyAfter: 1500 })
      let answered = false
      const reload = pm2.reload(0).then(() => (answered = true))
      await pm2.until('another has its id', async () => (await the(pm2))!.pid !== old)
      claim(await pm2.isReplacing(0), 'the old worker is aside')
      claim(
        (await pm2.list()).every(({ pid }) => pid !== old),
        'the old worker is not listed',
      )
      claim(pm2.lives(old) && !answered, 'the old worker lives until the new one is ready')
      await reload
      claim(!pm2.lives(old), 'the old worker has left')
      claim(!(await pm2.isReplacing(0)), 'nobody is aside')
    },
  ],
  [
    'a new worker that exits is started again, and the old one stays until a successor is ready',
    async (pm2) => {
      const old = await running(pm2)
      pm2.behave({ ...prompt, readyAfter: null, exitsAfter: 1100 })
      const reload = pm2.reload(0)
      const tried = new Set<number>()
      await pm2.until('it is tried again', async () => {
        const now = await the(pm2)
        if (now !== undefined && now.pid !== old && now.pid !== 0) tried.add(now.pid)
        return tried.size > 1
      })
      claim(pm2.lives(old), 'the old worker stays')
      pm2.behave(prompt)
      await reload
      claim(!pm2.lives(old), 'a successor that was ready has ended the reload')
      claim((await the(pm2))?.status === 'online', 'the successor is online')
    },
  ],
  [
    'a reload ends the old worker when the new one is late',
    async (pm2) => {
      const old = await running(pm2)
      pm2.behave({ ...prompt, readyAfter: null })
      await pm2.reload(0)
      claim(!pm2.lives(old), 'the old worker has left')
    },
  ],
  [
    ONLY_IN_7,
    async (pm2) => {
      const old = await running(pm2)
      pm2.behave({ ...prompt, readyAfter: null, drainMs: 0 })
      void pm2.reload(0).catch(() => undefined)
      await pm2.until('a new one boots', async () => ![old, 0].includes((await the(pm2))!.pid))
      const booting = (await the(pm2))!.pid
      await pm2.sleep(500)
      void pm2.stop(0).catch(() => undefined)
      await pm2.until('another one boots', async () => ![booting, 0].includes((await the(pm2))?.pid ?? 0))
    },
  ],
  [
    'a stopped app is started by a reload',
    async (pm2) => {
      await running(pm2)
      await pm2.stop(0)
      claim((await the(pm2))?.status === 'stopped', 'it is stopped')
      await pm2.reload(0)
      claim((await the(pm2))?.status === 'online', 'it is online')
    },
  ],
  [
    'a duplicate gets the next id, and a removed worker leaves the list',
    async (pm2) => {
      await running(pm2)
      await pm2.duplicate(0)
      const second = (await the(pm2, 1))!.pid
      claim(pm2.lives(second), 'the duplicate lives')
      await pm2.remove(1)
      claim((await the(pm2, 1)) === undefined && !pm2.lives(second), 'the duplicate is gone')
    },
  ],
  [
    'a worker that exits at once, again and again, is given up',
    async (pm2) => {
      await running(pm2)
      pm2.behave({ ...prompt, readyAfter: null, exitsAfter: 0 })
      void pm2.restart(0).catch(() => undefined)
      await pm2.until('PM2 gives it up', async () => (await the(pm2))?.status === 'errored')
    },
  ],
]
