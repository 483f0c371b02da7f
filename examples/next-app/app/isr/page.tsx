// Seconds. Next.js writes the page anew into the release's folder while it runs.
export const revalidate = 2

export default function Isr() {
  return (
    <>
      <h1>ISR</h1>
      <p>Static, and rendered again when a visitor finds it older than {revalidate} seconds.</p>
      <dl>
        <dt>Rendered</dt>
        <dd id="rendered">{new Date().toISOString()}</dd>
      </dl>
    </>
  )
}
