/** Loaded into Jest's process: on SIGUSR2 says what keeps it alive, and ends it. See run-ends.mjs. */
process.on('SIGUSR2', () => {
  console.error(`Still open: ${process.getActiveResourcesInfo().join(', ') || 'nothing that Node.js knows'}`)
  process.kill(process.pid, 'SIGKILL')
})
