/** A network namespace of a test's own: a host with its own loopback and its own address, on this machine. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

export interface Namespace {
  /** Reached from the machine itself, and from nowhere else. */
  readonly address: string
  /** The machine as this host sees it. */
  readonly gateway: string
  /** What stands before a program and its arguments to run it there. */
  readonly prefix: readonly string[]
  /** Pulls the plug: nothing gets through any more, and no side is told. */
  cutOff(): void
  mend(): void
  /** Processes in it have to be ended before. */
  remove(): void
}

/** Where not, the tests of several hosts are skipped. */
export const mayMakeNamespaces = process.getuid?.() === 0 && existsSync('/usr/sbin/ip')

/** @returns so many, each linked with the machine by a cable of its own */
export function makeNamespaces(count: number): readonly Namespace[] {
  if (!mayMakeNamespaces) {
    throw new Error('tests of several hosts need root and iproute2 (apt-get install iproute2)')
  }
  // Of this process alone, so that suites may run side by side.
  const subnet = `10.${200 + (process.pid % 50)}.${Math.floor(process.pid / 50) % 250}`
  const made: Namespace[] = []
  try {
    for (let index = 0; index < count; index += 1) made.push(make(subnet, index))
  } catch (error) {
    for (const namespace of made) namespace.remove()
    throw error
  }
  return made
}

function make(subnet: string, index: number): Namespace {
  const name = `gapless-${process.pid}-${index}`
  // The name of a network device has at most 15 characters.
  const cable = `gl${process.pid}n${index}`
  const [gateway, address] = [`${subnet}.1`, `${subnet}.${index + 2}`]
  const ip = (...args: readonly string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  ip('netns', 'add', name)
  // The cable goes with the namespace.
  const remove = () => void ip('netns', 'del', name)
  try {
    ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
    ip('addr', 'add', gateway, 'peer', address, 'dev', cable)
    ip('link', 'set', cable, 'up')
    ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    for (const device of ['lo', 'eth0']) ip('-n', name, 'link', 'set', device, 'up')
  } catch (error) {
    remove()
    throw error
  }
  return {
    address,
    gateway,
    prefix: ['ip', 'netns', 'exec', name],
    cutOff: () => void ip('-n', name, 'link', 'set', 'eth0', 'down'),
    mend: () => void ip('-n', name, 'link', 'set', 'eth0', 'up'),
    remove,
  }
}
