/**
 * The runner's side of one upload, in a process of its own so that its memory can be measured: connect, assemble
 * and upload as the action does them, without what comes before and after.
 *
 *   node runner.mjs <compiled sources> <JSON: inputs, workspace, agentFile, launcherFile>
 *
 * Prints one line of JSON; times are in ms.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [, , compiled, settings] = process.argv
const { inputs: given, workspace, agentFile, launcherFile } = JSON.parse(settings)
const load = (file) => import(pathToFileURL(join(compiled, file)).href)
const { letHeapGrow, stayLean } = await load('common/memory.js')
stayLean()
letHeapGrow()
const { readInputs } = await load('inputs/index.js')
const { createPlan } = await load('plan.js')
const { connect } = await load('hosts/connect.js')
const { assemble } = await load('phases/assemble.js')
const { uploadToAll } = await load('phases/upload.js')
const { createPipeline } = await load('pipeline.js')
const { readBuildOutput } = await load('next/output.js')

const env = {
  GITHUB_WORKSPACE: workspace,
  ...Object.fromEntries(Object.entries(given).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
}
const plan = createPlan(readInputs(env), 'next-app')
let detail = ''
const log = {
  info: (line) => process.stderr.write(`${(detail = line)}\n`),
  group() {},
  endGroup() {},
  mask() {},
  remember() {},
  warning() {},
  annotate() {},
  debug() {},
}
const pipeline = createPipeline(log)
const startupMs = cpuTime()
const begun = performance.now()
const hosts = await connect(plan, { agentFile, launcherFile, persist: true, forUpload: true }, pipeline)
const connected = performance.now()
const output = { ...readBuildOutput(workspace), workerEnvironment: {}, beganAt: Date.now() }
const { value: assembled } = await assemble(plan, output, launcherFile, hosts, log)
const laidOut = performance.now()
const { sentBytes, id } = await uploadToAll(plan, hosts, output, assembled, pipeline)
const done = performance.now()
const cpuMs = cpuTime()
console.log(
  JSON.stringify({
    connectMs: connected - begun,
    assembleMs: laidOut - connected,
    uploadMs: done - laidOut,
    sentBytes,
    id,
    detail,
    cpuMs: cpuMs - startupMs,
    rssBytes: process.resourceUsage().maxRSS * 1024,
  }),
)
for (const host of hosts) host.close()

function cpuTime() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
