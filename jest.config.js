/** Tests run on the TypeScript sources as native ES modules (npm test sets --experimental-vm-modules). */
export default {
  testEnvironment: 'node',
  // Most tests start processes, and stop servers behind them, on machines that others use too.
  testTimeout: 30_000,
  globalSetup: '<rootDir>/__tests__/support/setup.mjs',
  globalTeardown: '<rootDir>/__tests__/support/teardown.mjs',
  testMatch: ['<rootDir>/__tests__/**/*.test.ts'],
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
