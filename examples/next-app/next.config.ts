import type { NextConfig } from 'next'

const config: NextConfig = {
  // This app sits inside another package's repository but is no workspace of it. Next.js (seen in 16.4.6)
  // takes the folder of the outermost lockfile as the root; then the build would land in
  // standalone/examples/next-app. An app in a repository of its own does not need this line.
  turbopack: { root: __dirname },
}

export default config
