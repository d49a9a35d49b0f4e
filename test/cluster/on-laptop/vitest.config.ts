import {defineConfig} from 'vitest/config'

/** Run inside a lab's host, by the suite outside. */
export default defineConfig({test: {include: ['test/cluster/on-laptop/*.ts'], exclude: ['**/vitest.config.ts'], testTimeout: 60_000}})
