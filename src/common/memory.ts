/** How much memory a process uses for garbage. */
import { setFlagsFromString } from 'node:v8'

/**
 * Keeps V8's young generation at its initial size. It doubles under load, up to 100 MB on a machine with much memory,
 * and contains only garbage. V8 reads the factor whenever it is about to grow (Node 24); a size would be set too late.
 */
export function stayLean(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/**
 * Lets the heap become three times as large before V8 marks it. V8 counts the bytes of buffers too, also where each lives
 * for a moment only: with a heap of 34 MB it marked all of it for every 9 MB of them, 65 times in an upload of 190 MB, on
 * which the processor spent a fifth of its time (Node 24).
 */
export function markSeldom(): void {
  setFlagsFromString('--heap-growing-percent=200')
}
