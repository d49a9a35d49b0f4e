import {defineConfig} from 'vitest/config'

export default defineConfig({
  test: {
    // Most tests wait for another process rather than compute: one worker per core leaves the cores idle.
    maxWorkers: 3,
    projects: [
      {test: {name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: process.env['JNODE_FUZZ_RUNS'] ? 3_600_000 : 15_000}},
      {test: {name: 'smoke', include: ['test/smoke/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000}},
      {
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          globalSetup: ['test/cluster/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          // Each worker has a cluster of its own; mostly they wait.
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'attacks',
          include: ['test/attacks/**/*.test.ts'],
          globalSetup: ['test/cluster/global-setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 180_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          globalSetup: ['test/cluster/global-setup.ts'],
          // A row may cut a link for ten minutes, and waits for all that follows.
          testTimeout: 1_200_000,
          hookTimeout: 180_000,
          maxWorkers: 3,
        },
      },
      {
        test: {
          name: 'sites',
          include: ['test/sites/**/*.test.ts'],
          globalSetup: ['test/cluster/global-setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 180_000,
          maxWorkers: 3,
        },
      },
    ],
  },
})
