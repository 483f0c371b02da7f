'use server'

import { message } from '../message.ts'

/** Answers the form; the text names the release that ran the action. */
export async function greet(_previous: string, form: FormData): Promise<string> {
  const name = String(form.get('name') ?? '').trim()
  return name === '' ? 'Please give a name.' : `Hello, ${name}, from release ${message}.`
}
