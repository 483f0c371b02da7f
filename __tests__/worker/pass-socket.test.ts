import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { descriptorOf } from '../../src/common/listening-sockets.ts'
import { createFrontDoor, type FrontDoor } from '../../src/worker/front-door.ts'
import { giveSocket, inodeOf, type ListeningSocket, takeSocket } from '../../src/worker/pass-socket.ts'
import { temporaryFolders } from '../support/folder.ts'
import { ask } from './fake-release.ts'

const folder = temporaryFolders()
const doors: FrontDoor[] = []
afterEach(async () => {
  await Promise.all(doors.splice(0).map((door) => door.drain(0)))
})

function doorOf(name: string): FrontDoor {
  const door = createFrontDoor(createServer((_, response) => response.end(name)))
  doors.push(door)
  return door
}

async function giver(file: string, mayGive = () => true): Promise<{ port: number; socket: ListeningSocket }> {
  const door = doorOf('giver')
  const { port, socket } = await door.open((server) => server.listen(0, '127.0.0.1'))
  giveSocket(file, () => (mayGive() ? socket : null))
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5))
  return { port, socket }
}

test('whoever takes a socket takes connections after the giver has closed its door', async () => {
  const file = join(folder(), 'socket')
  const { port, socket } = await giver(file)
  const taken = await takeSocket(file)
  expect(inodeOf(taken!)).toBe(inodeOf(socket))
  expect(descriptorOf(process.pid, inodeOf(socket))).not.toBeNull()
  const taker = doorOf('taker')
  expect((await taker.openOn(taken!)).port).toBe(port)
  await doors.shift()!.drain(0)
  expect((await ask(port, '/')).body).toBe('taker')
})

test('a connection that waits when the giver closes its door is answered by the taker', async () => {
  const file = join(folder(), 'socket')
  const { port } = await giver(file)
  const taken = await takeSocket(file)
  const closed = doors.shift()!.drain(0)
  // Nobody takes connections now.
  const waiting = net.connect(port, '127.0.0.1')
  await once(waiting, 'connect')
  await doorOf('taker').openOn(taken!)
  waiting.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  expect(String((await once(waiting, 'data'))[0])).toContain('taker')
  waiting.destroy()
  await closed
})

test('a giver that gives nothing, nobody who listens, and no socket at all are no socket', async () => {
  const own = folder()
  await giver(join(own, 'mean'), () => false)
  expect(await takeSocket(join(own, 'mean'))).toBeNull()
  expect(await takeSocket(join(own, 'missing'))).toBeNull()
  writeFileSync(join(own, 'file'), '')
  expect(await takeSocket(join(own, 'file'))).toBeNull()
})

test('the file may have a longer name than the kernel takes for a socket, and be there already', async () => {
  const deep = join(folder(), 'a'.repeat(60), 'b'.repeat(60))
  mkdirSync(deep, { recursive: true })
  writeFileSync(join(deep, 'socket'), 'left behind')
  const door = doorOf('giver')
  const { socket } = await door.open((server) => server.listen(0, '127.0.0.1'))
  giveSocket(join(deep, 'socket'), () => socket)
  let taken = null
  while (taken === null) taken = await takeSocket(join(deep, 'socket'))
  expect(inodeOf(taken)).toBe(inodeOf(socket))
  taken.close()
})
