export const dynamic = 'force-dynamic'

/**
 * What the worker's environment is made of: every name, but only the values listed here, since the others
 * may be secrets. Fine for an example; a real app should not publish even the names.
 */
export function GET(): Response {
  const { GREETING, NODE_ENV, PORT, HOSTNAME } = process.env
  return Response.json({
    keys: Object.keys(process.env).sort(),
    values: { GREETING, NODE_ENV, PORT, HOSTNAME },
  })
}
