import { revalidatePath } from 'next/cache'

/** What a CMS would call after a change. A real app asks for a secret first. */
export function POST() {
  revalidatePath('/cached')
  return Response.json({ revalidated: '/cached' })
}
