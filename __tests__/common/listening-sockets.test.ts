import { once } from 'node:events'
import net from 'node:net'
import { afterEach, expect, test } from '@jest/globals'
import { acceptedBy, heldBy, kernelAddress, listeningSockets } from '../../src/common/listening-sockets.ts'

const open: { destroy?(): void; close?(): void }[] = []
afterEach(() => {
  for (const { destroy, close } of open.splice(0).reverse()) (destroy ?? close)?.call(undefined)
})

async function listen(host: string): Promise<{ port: number; accepted: () => Promise<net.Socket> }> {
  const server = net.createServer()
  open.push({ close: () => server.close() })
  server.listen(0, host)
  await once(server, 'listening')
  const accepted = async () => {
    const [socket] = (await once(server, 'connection')) as [net.Socket]
    open.push({ destroy: () => socket.destroy() })
    return socket
  }
  return { port: (server.address() as net.AddressInfo).port, accepted }
}

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['::', '::'],
  ['0:0::0', '::'],
  ['::1', '::1'],
  ['0:0:0:0:0:0:0:1', '::1'],
])('an address given as %s is found where this process listens', async (given, kernel) => {
  const { port } = await listen(given)
  expect(kernelAddress(given)).toBe(kernel)
  expect(heldBy(process.pid, listeningSockets())).toContainEqual(
    expect.objectContaining({ host: kernel, port }),
  )
})

test.each([
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['::FFFF:10.0.0.1', '10.0.0.1'],
  ['FE80::1%eth0', 'fe80::1'],
])('%s is %s to the kernel', (given, kernel) => expect(kernelAddress(given)).toBe(kernel))

test('who was accepted is inside, until the connection is closed', async () => {
  const { port, accepted } = await listen('127.0.0.1')
  expect(acceptedBy(process.pid).filter((socket) => socket.port === port)).toEqual([])
  const visitor = net.connect(port, '127.0.0.1')
  open.push({ destroy: () => visitor.destroy() })
  const inside = await accepted()
  const ports = acceptedBy(process.pid).map((socket) => socket.port)
  expect(ports).toContain(port)
  // The visitor's own end is not one that this process has accepted.
  expect(ports).not.toContain(inside.remotePort)
  inside.destroy()
  await once(inside, 'close')
  expect(acceptedBy(process.pid).filter((socket) => socket.port === port)).toEqual([])
})
