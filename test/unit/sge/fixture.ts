import {readFileSync} from 'node:fs'

const FOLDER = new URL('../../fixtures/sge/', import.meta.url)

/** What the real Grid Engine of the test cluster printed; test/fixtures/sge/README.md says by which command. */
export function fixture(name: string): string {
  return readFileSync(new URL(name, FOLDER), 'utf8')
}

/** The answer of a program that printed to stdout and ended well. */
export function printed(stdout: string) {
  return {exitCode: 0, stdout, stderr: ''}
}

/** The answer of a program that complained on stderr. */
export function complained(stderr: string, exitCode = 1) {
  return {exitCode, stdout: '', stderr}
}
