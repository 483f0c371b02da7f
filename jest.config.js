/** Tests run on the TypeScript sources as native ES modules: scripts/test.mjs starts Node.js with the flags. */
const common = {
  testEnvironment: 'node',
  cacheDirectory: '<rootDir>/node_modules/.cache/jest',
  modulePathIgnorePatterns: [
    '<rootDir>/build/',
    '<rootDir>/dist/',
    '<rootDir>/examples/',
    '<rootDir>/.cache/',
  ],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
}

/** Suites that boot sshd, PM2 or Next.js say so in their names. */
const SERVER = '**/__tests__/**/*.server.test.ts'

export default {
  // Most tests start processes, on machines that others use too.
  testTimeout: 60_000,
  globalSetup: '<rootDir>/__tests__/support/setup.mjs',
  globalTeardown: '<rootDir>/__tests__/support/teardown.mjs',
  projects: [
    { ...common, displayName: 'units', testMatch: ['**/__tests__/**/*.test.ts', `!${SERVER}`] },
    { ...common, displayName: 'servers', testMatch: [SERVER] },
  ],
}
