/** A Unix user of a server's own: nobody on this machine but its sshd knows it, and it can touch no other's. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Account, Mount } from './sshd.ts'

export interface OwnUser {
  readonly account: Account
  /** Node and the packages, in places that the user gets to: this machine's may lie where it does not. */
  readonly mounts: readonly Mount[]
  readonly node: string
  readonly modules: string
  /** Once all is there. */
  takeHome(): void
  /** What stands before a program and its arguments to run it as this user, where and as the sshd runs. */
  prefix(sshd: number): readonly string[]
}

/** @param modules the folder of the packages */
export function ownUser(uid: number, home: string, modules: string): OwnUser {
  const [node, within] = [join(home, 'bin', 'node'), join(home, 'lib', 'node_modules')]
  writeFileSync(node, '')
  mkdirSync(within, { recursive: true })
  return {
    account: { name: 'deploy', shell: '/bin/bash', home, uid },
    mounts: [
      [process.execPath, node],
      [modules, within],
    ],
    node,
    modules: within,
    takeHome: () => void execFileSync('chown', ['-R', `${uid}:${uid}`, home]),
    prefix: (sshd) => {
      const there = ['nsenter', `--target=${sshd}`, '-m', '-n']
      return [...there, 'setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
    },
  }
}
