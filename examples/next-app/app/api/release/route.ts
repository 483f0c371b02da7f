import { message } from '../../message.ts'

export const dynamic = 'force-dynamic'

/** Which release answered, and which worker. */
export function GET(): Response {
  return Response.json({ message, pid: process.pid })
}
