/** The one comment on a pull request that later runs edit. */
import type { Api } from './api.ts'

/** In a page, and how many pages are read. */
const PAGE = 100
const MOST_PAGES = 10

interface Comment {
  readonly id: number
  readonly body?: string | null
  readonly user?: { readonly login?: string; readonly type?: string } | null
}

/** @param app PM2's name of the preview, which tells the comments of several apps apart */
export async function writeComment(api: Api, pullRequest: number, app: string, text: string): Promise<void> {
  const marker = `<!-- gapless: ${app} -->`
  const body = `${marker}\n${text}`
  const own = await find(api, pullRequest, marker)
  if (own === null) await api.request('POST', `/issues/${pullRequest}/comments`, { body })
  else await api.request('PATCH', `/issues/comments/${own}`, { body })
}

async function find(api: Api, pullRequest: number, marker: string): Promise<number | null> {
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const path = `/issues/${pullRequest}/comments?per_page=${PAGE}&page=${page}`
    const listed = await api.request('GET', path)
    const comments = Array.isArray(listed) ? (listed as readonly Comment[]) : []
    const marked = comments.filter(({ body }) => body?.startsWith(marker) === true)
    for (const comment of marked) if (await isOwn(api, comment)) return comment.id
    if (comments.length < PAGE) return null
  }
  return null
}

/** Anybody can write the marker into a comment, which must not be edited then. A workflow's token is a bot's. */
async function isOwn(api: Api, { user }: Comment): Promise<boolean> {
  const { login = '', type } = user ?? {}
  if (type === 'Bot' || login.endsWith('[bot]')) return true
  return login !== '' && (await api.login()) === login
}
