/** The server of the demo, as the story needs it. */
export const appName = 'gapless-demo'

export interface Target {
  /** What it is, for people. */
  readonly description: string
  /** Where the app's visitors ask. */
  readonly url: string
  /** The action's inputs that say where to deploy. */
  readonly inputs: Readonly<Record<string, string>>
  /** What the action needs in its environment. */
  readonly env: Readonly<Record<string, string>>
  /** Takes away what the demo put there. */
  remove(): Promise<void>
}
