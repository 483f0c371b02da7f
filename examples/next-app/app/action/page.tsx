import { GreetingForm } from './greeting-form.tsx'

export default function Action() {
  return (
    <>
      <h1>Action</h1>
      <p>The form is sent to a server action, with JavaScript or without.</p>
      <GreetingForm />
    </>
  )
}
