'use client'

import dynamic from 'next/dynamic'
import { useState } from 'react'

// A chunk of its own, fetched on the first click: a page opened before a deploy asks for it afterwards.
const Counter = dynamic(() => import('./counter.tsx'), { loading: () => <p>Loading…</p> })

export function LazyCounter() {
  const [wanted, setWanted] = useState(false)
  return wanted ? <Counter /> : <button onClick={() => setWanted(true)}>Load the counter</button>
}
