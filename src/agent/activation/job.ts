/** What the detached activation process is told: a file that only the user can read. */
import { type Guarded, object, string } from '../../protocol/guards.ts'
import { activationRequest } from '../../protocol/messages.ts'

export const job = object({
  activation: string,
  base: string,
  appName: string,
  pm2Path: string,
  pm2Version: string,
  pm2Home: string,
  request: activationRequest,
})
export type Job = Guarded<typeof job>
