// Static until somebody asks `/api/revalidate` to render it again.
export default function Cached() {
  return (
    <>
      <h1>Cached</h1>
      <p>Static, and rendered again on demand.</p>
      <dl>
        <dt>Rendering</dt>
        <dd id="rendering">{crypto.randomUUID()}</dd>
      </dl>
    </>
  )
}
