/**
 * What a worker says about itself, in `<path>/.gapless/workers/<pid>.json`. PM2's own list calls hung and
 * crash-looping workers "online" and cannot tell which release a process runs; this record can.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startTimeOf } from '../common/process-identity.ts'
import type { WorkerRecord } from './worker-record.ts'

export interface Recorder {
  update(change: Partial<WorkerRecord>): void
}

/** In ms: the agent makes room on a full disk, and then looks for the record. */
const RETRY = 500

/** Keeps the record up to date and removes it when the process exits. */
export function keepRecord(directory: string, release: string, candidate: boolean): Recorder {
  const file = join(directory, `${process.pid}.json`)
  let record: WorkerRecord = {
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? '',
    release,
    candidate,
    phase: 'booting',
    port: 0,
    doorPort: 0,
    leavesAt: null,
    detail: '',
    excerpt: '',
    movedPorts: [],
    cache: null,
    outlives: false,
    orphaned: null,
    traffic: null,
  }
  let complained = false
  let retry: NodeJS.Timeout | undefined
  const write = () => {
    clearTimeout(retry)
    // A worker that cannot write its record must still serve: a full disk is no reason to be down.
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      writeFileSync(`${file}.tmp`, JSON.stringify(record), { mode: 0o600 })
      renameSync(`${file}.tmp`, file)
    } catch (error) {
      // Nobody knows what it serves until then.
      retry = setTimeout(write, RETRY).unref()
      if (complained) return
      complained = true
      console.error('gapless: cannot write the worker record:', (error as Error).message)
    }
  }
  process.on('exit', () => {
    try {
      for (const name of [file, `${file}.tmp`]) rmSync(name, { force: true })
    } catch {
      // A read-only file system: the agent knows a dead worker by its pid.
    }
  })
  write()
  return {
    update(change) {
      const next = { ...record, ...change }
      if (JSON.stringify(next) === JSON.stringify(record)) return
      record = next
      write()
    },
  }
}
