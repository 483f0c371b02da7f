/** Which release a rollback goes to: the one asked for, or the newest good one before the live one. */
import { Failure } from '../protocol/failure.ts'
import type { ReleaseSummary } from '../protocol/messages.ts'
import type { AgentSession } from '../remote/agent-session.ts'

/**
 * Chooses the release, and has every file of it proven on the server.
 * @throws Failure `unknown-release`, `no-release-to-go-back-to`, `release-damaged`
 */
export async function chooseRelease(agent: AgentSession, asked: string | undefined): Promise<string> {
  const { releases } = await agent.call('releases', {})
  const id = asked ?? newestBeforeLive(releases)
  if (!releases.some((release) => release.id === id)) {
    throw new Failure('unknown-release', `there is no release ${id} on the server`, {
      remedy: listOf(releases),
    })
  }
  try {
    await agent.call('audit', { id })
  } catch (error) {
    const failure = Failure.from(error)
    if (failure.code !== 'release-damaged') throw failure
    throw failure.reworded(failure.message, { remedy: `It cannot go live as it is. ${listOf(releases)}` })
  }
  return id
}

function newestBeforeLive(releases: readonly ReleaseSummary[]): string {
  const live = releases.find((release) => release.live)?.id
  const good = releases.filter(
    ({ id, activatedAt }) => activatedAt !== null && (live === undefined || id < live),
  )
  const newest = good.at(-1)?.id
  if (newest === undefined) {
    throw new Failure('no-release-to-go-back-to', 'there is no verified release before the live one', {
      remedy: listOf(releases),
    })
  }
  return newest
}

function listOf(releases: readonly ReleaseSummary[]): string {
  if (releases.length === 0) return 'There are no releases on the server yet.'
  const list = releases.map(({ id, live, activatedAt }) => {
    const note = live ? ' (live)' : activatedAt === null ? ' (never verified)' : ''
    return id + note
  })
  return `These exist: ${list.join(', ')}.`
}
