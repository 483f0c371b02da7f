import { readdirSync, readlinkSync } from 'node:fs'

/**
 * Kills every process that works in a folder or below it: in a temporary folder of one's own, nobody else's
 * can. Does nothing where there is no /proc.
 * @param {string} folder
 * @returns {number} how many there were
 */
export function stopProcessesIn(folder) {
  return processesIn(folder).filter(kill).length
}

/**
 * @param {string} folder
 * @returns {readonly number[]} the ids of the processes that work in it or below it
 */
export function processesIn(folder) {
  return processIds().filter((pid) => `${workingDirectory(pid)}/`.startsWith(`${folder}/`))
}

/**
 * @param {number} pid
 * @returns {boolean}
 */
export function isRunning(pid) {
  return workingDirectory(pid) !== undefined
}

/**
 * None where there is no /proc.
 * @returns {readonly number[]}
 */
export function processIds() {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}

/** @param {number} pid */
function workingDirectory(pid) {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    // It has ended, or is not ours to look at.
    return undefined
  }
}

/** @param {number} pid */
function kill(pid) {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}
