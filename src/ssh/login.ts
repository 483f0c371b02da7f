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

/** The methods that a login has anything for. */
export function methodsOf(login: Login, key: ParsedKey | undefined): readonly Method[] {
  return [
    ...(key ? (['publickey'] as const) : []),
    ...(login.agentSocket && !key ? (['agent'] as const) : []),
    // Servers with PAM often take a password as the answer to a prompt only.
    ...(login.password ? (['password', 'keyboard-interactive'] as const) : []),
  ]
}

/** The methods of one attempt, each given out once. */
export interface MethodQueue {
  /**
   * @param accepted what the server says it would take; empty before it has said anything
   * @param partial the method before was accepted, and the server wants one more
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
        // AuthenticationMethods may name them in another order: what was refused before may count now.
        accepted.push(last)
        waiting = methods.filter((method) => !accepted.includes(method))
      }
      // A method that the server does not take is only one more failure in the books of its fail2ban.
      last = waiting.find((method) => taken.length === 0 || taken.includes(nameOf(method)))
      if (last !== undefined) waiting.splice(0, waiting.indexOf(last) + 1)
      return last
    },
  }
}

/** An agent's keys are public keys to the server. */
function nameOf(method: Method): string {
  return method === 'agent' ? 'publickey' : method
}

/**
 * Answers one question with the password, and no other: a second one asks for something else, such as a code of
 * a second factor or a new password, and an answer that is echoed is none that is secret.
 *
 * @param unanswerable told of the questions that a password does not answer
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
      // A round without a question only tells something, and wants its empty answer.
      if (questions.length === 0) return answer([])
      if (told || questions.length > 1 || questions[0]?.echo === true) {
        return unanswerable(questions.map(({ prompt }) => prompt.trim()))
      }
      told = true
      answer([password])
    },
  }
}
