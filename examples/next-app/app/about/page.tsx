export default function About() {
  return (
    <>
      <h1>About</h1>
      <p>
        A small app with one of everything that matters to a deploy: static, dynamic and revalidated pages, a
        server action, a lazy chunk, an optimized image and route handlers.
      </p>
    </>
  )
}
