import Image from 'next/image'
import Link from 'next/link'
import { LazyCounter } from './lazy-counter.tsx'
import { message } from './message.ts'
import picture from './picture.png'

export default function Home() {
  return (
    <>
      <h1>It works</h1>
      <p>
        This page was built once, as static HTML. Its release is called <code id="message">{message}</code>.
      </p>
      <Image src={picture} alt="Hills in front of a rising sun" preload />
      <LazyCounter />
      <p>
        Read more <Link href="/about">about this app</Link>.
      </p>
    </>
  )
}
