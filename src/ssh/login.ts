/** What a login offers to a server, and in which order. */
import type { AnyAuthMethod, KeyboardInteractiveAuthMethod, ParsedKey } from 'ssh2'

export interface Login {
  readonly key?: string | null
  readonly passphrase?: string | null
  readonly password?: string | null
  /** Path of an agent's socket, asked only when there is no key. */
  readonly agentSocket?: string | null
}

export type Method = AnyAuthMethod['type']

export function methodsOf(login: Login, key: ParsedKey | undefined): readonly Method[] {
  return [
    ...(key ? (['publickey'] as const) : []),
    ...(login.agentSocket && !key ? (['agent'] as const) : []),
    // Servers with PAM often take a password only as the answer to a prompt.
    ...(login.password ? (['password', 'keyboard-interactive'] as const) : []),
  ]
}

/** The methods of one attempt, each returned once. */
export interface MethodQueue {
  /**
   * @param accepted the methods that the server would take; empty before it has said so
   * @param partial the server accepted the method before, and wants one more
   */
  next(accepted: readonly string[], partial: boolean): Method | undefined
}

export function queueOf(methods: readonly Method[]): MethodQueue {
  let waiting = [...methods]
  let last: Method | undefined
  const accepted: Method[] = []
  return {
    next(taken, partial) {
      if (partial && last !== undefined) {
        // AuthenticationMethods may require another order: a method that was refused before may count now.
        accepted.push(last)
        waiting = methods.filter((method) => !accepted.includes(method))
      }
      // A method that the server does not take would only count against the user in fail2ban.
      last = waiting.find((method) => taken.length === 0 || taken.includes(nameOf(method)))
      if (last !== undefined) waiting.splice(0, waiting.indexOf(last) + 1)
      return last
    },
  }
}

/** To the server an agent's keys are public keys. */
function nameOf(method: Method): string {
  return method === 'agent' ? 'publickey' : method
}

/**
 * Answers one question with the password, and no other: a second question asks for something else, such as a second
 * factor or a new password, and so does one whose answer is echoed. @param unanswerable called with those questions
 */
export function passwordPrompt(
  username: string,
  password: string,
  unanswerable: (questions: readonly string[]) => void,
): KeyboardInteractiveAuthMethod {
  let told = false
  return {
    type: 'keyboard-interactive',
    username,
    prompt(_name, _instructions, _language, questions, answer) {
      // A round without questions only informs, and expects an empty answer.
      if (questions.length === 0) return answer([])
      if (told || questions.length > 1 || questions[0]?.echo === true) {
        return unanswerable(questions.map(({ prompt }) => prompt.trim()))
      }
      told = true
      answer([password])
    },
  }
}
