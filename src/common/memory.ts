/** How much memory a process takes for what it is about to throw away. */
import { setFlagsFromString } from 'node:v8'

/**
 * Keeps V8's young generation as small as it begins. It doubles under load, up to 100 MB on a machine with much
 * memory, and holds nothing but garbage; each collection frees the buffers of what was sent before. V8 reads the factor
 * whenever it is about to grow (seen with Node 24, on which GitHub runs actions); a size given now comes too late.
 */
export function stayLean(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}
