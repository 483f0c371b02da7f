/** Loaded into Jest's process, so that it ends, or says why it does not. See run-ends.mjs. */

process.on('SIGUSR2', () => {
  console.error(`Still open: ${process.getActiveResourcesInfo().join(', ') || 'nothing that Node.js knows'}`)
  process.kill(process.pid, 'SIGKILL')
})

// Node.js waits for ever, and as fast as it can, where the pipe of a child that was killed is left when nothing runs any
// more (`CleanupHandles`, seen with 20.20 and 22.23). After all other listeners: Jest sets the exit code in one.
process.once('beforeExit', () => process.on('exit', () => process.exit()))
