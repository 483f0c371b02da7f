/** Beyond `observe`, this is the longest that an old worker serves on after it was told to leave, in ms. */
export const LONGEST_STAY = 60_000
