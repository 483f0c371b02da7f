/** How much memory a process uses for garbage. */
import { setFlagsFromString } from 'node:v8'

/**
 * Keeps V8's young generation at its initial size. It doubles under load, up to 100 MB on a machine with much memory,
 * and contains only garbage. V8 reads the factor whenever it is about to grow (Node 24); a size would be set too late.
 */
export function stayLean(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}
