/**
 * Critical advisories of Next.js: holes that let strangers run code, or in. Read on 2026-11-26.
 *
 * To update: read https://github.com/vercel/next.js/security/advisories?query=severity%3Acritical. For a new hole, add
 * an entry with its sources and one line for each line of releases: `from` is its first affected version, `fixed` its
 * first version without the hole. Then change the date above, add the hole to `docs/security.md`, and run
 * `npm run bundle`.
 */

export interface Advisory {
  /** Names of the same hole; the one of Next.js first. */
  readonly ids: readonly string[]
  /** What a stranger can do. */
  readonly effect: string
  readonly lines: readonly { readonly from: string; readonly fixed: string }[]
}

export const advisories: readonly Advisory[] = [
  {
    // https://github.com/vercel/next.js/security/advisories/GHSA-9qr9-h5gf-34mp
    // https://nextjs.org/blog/CVE-2025-66478
    // https://react.dev/blog/2025/12/03/critical-security-vulnerability-in-react-server-components
    ids: ['CVE-2025-66478', 'CVE-2025-55182'],
    effect: 'strangers can run code on the server',
    lines: [
      { from: '14.3.0-canary.77', fixed: '15.0.5' },
      { from: '15.1.0-0', fixed: '15.1.9' },
      { from: '15.2.0-0', fixed: '15.2.6' },
      { from: '15.3.0-0', fixed: '15.3.6' },
      { from: '15.4.0-0', fixed: '15.4.8' },
      { from: '15.5.0-0', fixed: '15.5.7' },
      { from: '15.6.0-0', fixed: '15.6.0-canary.58' },
      { from: '16.0.0-0', fixed: '16.0.7' },
      { from: '16.1.0-0', fixed: '16.1.0-canary.12' },
    ],
  },
  {
    // https://github.com/vercel/next.js/security/advisories/GHSA-f82v-jwr5-mffw
    // https://nextjs.org/blog/cve-2025-29927
    ids: ['CVE-2025-29927'],
    effect: 'strangers can skip the checks in middleware',
    lines: [
      { from: '11.1.4', fixed: '12.3.5' },
      { from: '13.0.0-0', fixed: '13.5.9' },
      { from: '14.0.0-0', fixed: '14.2.25' },
      { from: '15.0.0-0', fixed: '15.2.3' },
    ],
  },
]
