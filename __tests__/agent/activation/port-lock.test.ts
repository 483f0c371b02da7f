import { expect, test } from '@jest/globals'
import { takePort } from '../../../src/agent/activation/port-lock.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()

test('a port is one activation’s at a time, whatever the app', async () => {
  const home = folder()
  const first = await takePort(home, 3000, 'run 1 of shop', 0)
  await (await takePort(home, 3001, 'run 2 of web', 0)).release()
  expect(await failureOf(takePort(home, 3000, 'run 2 of web', 0))).toMatchObject({
    code: 'locked',
    message: 'Another app is being deployed to port 3000.',
    remedy: expect.stringContaining('`app-port`'),
  })
  const holders: string[] = []
  const second = takePort(home, 3000, 'run 2 of web', 10_000, { onWait: (holder) => holders.push(holder) })
  await first.release()
  await (await second).release()
  expect(holders.every((holder) => holder.startsWith('run 1 of shop'))).toBe(true)
})
