import type { Metadata } from 'next'
import Link from 'next/link'
import type { ReactNode } from 'react'
import './globals.css'

export const metadata: Metadata = {
  title: 'next-app',
  description: 'A small Next.js app, deployed without a single failed request',
}

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <nav>
          <Link href="/">Home</Link>
          <Link href="/about">About</Link>
          <Link href="/time">Time</Link>
          <Link href="/isr">ISR</Link>
          <Link href="/action">Action</Link>
        </nav>
        <main>{children}</main>
      </body>
    </html>
  )
}
