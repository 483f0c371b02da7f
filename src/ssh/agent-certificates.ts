/** The user certificates that an SSH agent holds: ssh2 (1.17) skips them silently. */
import { connect } from 'node:net'
import { isCertificateType, keyType } from './known-hosts.ts'

/** SSH_AGENTC_REQUEST_IDENTITIES and its answer, of draft-ietf-sshm-ssh-agent. */
const REQUEST = Buffer.from([0, 0, 0, 1, 11])
const ANSWER = 12
/** In ms. An agent that asks its user first may never answer. */
const PATIENCE = 1000
/** In bytes. */
const LONGEST = 1024 * 1024

/** Returns the types of the certificates; none where the agent does not answer, which the login reports. */
export function certificatesIn(socket: string): Promise<readonly string[]> {
  return new Promise((resolve) => {
    let answer: Buffer = Buffer.alloc(0)
    const agent = connect(socket, () => agent.write(REQUEST))
    const end = () => {
      agent.destroy()
      resolve(typesIn(answer).filter(isCertificateType))
    }
    agent.setTimeout(PATIENCE, end)
    agent.on('error', end)
    agent.on('close', end)
    agent.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk])
      const isWhole = answer.length >= 4 && answer.length >= 4 + answer.readUInt32BE(0)
      if (isWhole || answer.length > LONGEST) end()
    })
  })
}

function typesIn(answer: Buffer): readonly string[] {
  if (answer.length < 9 || answer[4] !== ANSWER) return []
  const types: string[] = []
  let at = 9
  const next = (): Buffer | null => {
    const end = at + 4 <= answer.length ? at + 4 + answer.readUInt32BE(at) : Infinity
    if (end > answer.length) return null
    const part = answer.subarray(at + 4, end)
    at = end
    return part
  }
  for (let left = answer.readUInt32BE(5); left > 0; left -= 1) {
    const [blob, comment] = [next(), next()]
    if (blob === null || comment === null) break
    types.push(keyType(blob) ?? '')
  }
  return types
}
