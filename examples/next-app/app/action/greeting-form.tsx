'use client'

import { useActionState } from 'react'
import { greet } from './actions.ts'

export function GreetingForm() {
  const [result, action, pending] = useActionState(greet, '')
  return (
    <>
      <form action={action}>
        <label>
          Your name <input name="name" autoComplete="off" />
        </label>
        <button disabled={pending}>Greet me</button>
      </form>
      <output id="result">{result}</output>
    </>
  )
}
