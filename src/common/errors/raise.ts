import { Failure, type FailureOptions } from '../failure.ts'
import { codeOf, type ErrorText, type ErrorTexts, fill, type NamesIn } from './text.ts'

type Values<Text extends ErrorText> = Readonly<
  Record<NamesIn<Text['message']> | NamesIn<Text['remedy']>, string | number>
>

type Details = Pick<FailureOptions, 'evidence' | 'cause'>

type Arguments<Text extends ErrorText> = [keyof Values<Text>] extends [never]
  ? [values?: Readonly<Record<string, never>>, details?: Details]
  : [values: Values<Text>, details?: Details]

/** Returns a function that makes the failures of these texts. A value that a text needs and does not get is a type error. */
export function failures<const Texts extends ErrorTexts>(texts: Texts) {
  return <Key extends keyof Texts & string>(
    key: Key,
    ...[values = {}, { evidence, cause } = {}]: Arguments<Texts[Key]>
  ): Failure => {
    const { message, remedy } = texts[key]!
    return new Failure(codeOf(key), fill(message, values), { remedy: fill(remedy, values), evidence, cause })
  }
}
