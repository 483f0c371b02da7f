// Rendered for every request, so that it reads the environment at run time and not at build time.
export const dynamic = 'force-dynamic'

export default function Time() {
  return (
    <>
      <h1>Time</h1>
      <dl>
        <dt>Now</dt>
        <dd id="now">{new Date().toISOString()}</dd>
        <dt>GREETING</dt>
        <dd id="greeting">{process.env.GREETING ?? '(not set)'}</dd>
      </dl>
    </>
  )
}
