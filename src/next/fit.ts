/** Whether a release can run on the server, before anything of it is sent. */
import { failure } from '../common/errors/build.ts'
import type { Tree } from './layers.ts'
import { findMisfits, type Machine, type Misfit } from './native-modules.ts'
import { satisfies } from './version-range.ts'
import type { BuildOutput } from './output.ts'
import type { Project } from './project.ts'

/** Checks what is known before the build. @throws Failure `release-unfit` */
export function assertNodeFits({ nodeRanges }: Pick<Project, 'nodeRanges'>, machine: Machine): void {
  refuse(
    nodeRanges.flatMap(({ range, file }) =>
      nodeMisfit(machine, range, 'the app', `\`engines.node\` in ${file}`),
    ),
  )
}

/** Warns where the Node.js of the build, if it is known, has another major version than the server's. */
export function doubtAboutNode(
  builder: string | undefined,
  { node }: Pick<Machine, 'node'>,
): string | undefined {
  const [ours, theirs] = [builder, node].map((version) => version?.split('.', 1)[0])
  if (builder === undefined || ours === theirs) return undefined
  return (
    `Node.js ${builder} builds the app, and Node.js ${node} serves it: set \`node-version: ${theirs}\` in the step ` +
    'with actions/setup-node, or upgrade Node.js on the server.'
  )
}

/** @throws Failure `release-unfit`, with the first misfit as its message and all of them as evidence */
export function assertFits(tree: Tree, { nextVersion, nextNodeRange }: BuildOutput, machine: Machine): void {
  refuse([
    ...nodeMisfit(machine, nextNodeRange, `Next.js ${nextVersion ?? ''}`.trim(), 'its `engines.node`'),
    ...findMisfits(tree, machine),
  ])
}

function nodeMisfit(
  { node }: Machine,
  range: string | undefined,
  who: string,
  where: string,
): readonly Misfit[] {
  // An unreadable range, such as lts/*, proves nothing.
  if (range === undefined || satisfies(node, range) !== false) return []
  return [
    {
      problem: `${who} requires Node.js ${range} (${where}), and the server runs ${node}`,
      remedy:
        `Run \`command: setup\` with a \`node-version\` in ${range}, then deploy again: PM2 moves over to it. ` +
        'If no PM2 daemon runs yet, you can also name the folder of such a Node.js in `bin-path`.',
    },
  ]
}

function refuse(misfits: readonly Misfit[]): void {
  const [first, ...others] = misfits
  if (first === undefined) return
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  throw failure(
    'release-unfit',
    { problem: `${first.problem}${more}`, remedy: first.remedy },
    { evidence: misfits.map(({ problem, remedy }) => `${problem}.\n  ${remedy}`).join('\n') },
  )
}
