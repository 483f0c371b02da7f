/** The text that tells one release from another: edit it, and the next build is a new release. */
export const message = 'first'
