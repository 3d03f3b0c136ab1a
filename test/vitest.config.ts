/**
 * Two projects: `unit` needs nothing and runs in parallel; `netns` needs root, builds network namespaces and runs one
 * file after the other, because every file wants the two cores and the lab for itself.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));

export default defineConfig({
  root,
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          root,
          setupFiles: ['test/support/seed.ts'],
          include: ['test/**/*.test.ts'],
          exclude: ['test/netns/**'],
          testTimeout: 60_000, // reason: shared machines; a test that hangs still ends
        },
      },
      {
        test: {
          name: 'netns',
          root,
          include: ['test/netns/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // A failing step of a session makes what follows meaningless, but files are independent.
          sequence: { concurrent: false, shuffle: false },
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.d.ts'],
      reporter: ['text-summary', 'json-summary', 'html'],
      reportsDirectory: 'coverage',
    },
  },
});
