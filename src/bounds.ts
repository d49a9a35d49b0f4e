/**
 * How much of what others say is read: a cluster, a server, another process. Each reader's time grows no faster than its
 * text, so these bound time as well as memory. The XML of qstat has a limit of its own (sge/qstat.ts).
 */
import {JnodeError} from './errors.ts'

/** Bytes of an answer to a question, on stdout and on stderr each, where the question names no other limit: the notes on a job at a site with 20,000 queue instances have 3 MB. */
export const ANSWER_BYTES = 4_000_000

/** Bytes of a long answer: all that a site has, all sessions of a user. */
export const LONG_ANSWER_BYTES = 16_000_000

/** Bytes and lines of a job's record. One with ten reconnects a day has 200 kB in 4,000 lines after a year. What comes after these is not read. */
export const RECORD_BYTES = 1_000_000
export const RECORD_LINES = 20_000

/** Characters of a line that is followed. A longer one goes on in the next: a progress bar writes a log of one line. */
export const LINE_CHARS = 65_536

/** Bytes of all that a server sends in answer to a request, headers included, before it has proved to be ours; and of one that has. */
export const UNPROVED_BYTES = 64_000
export const PROVED_BYTES = 4_000_000

/** Throws `unexpected` where a text has more bytes than its reader takes; `from`: who sent it, as the subject of a sentence. */
export function checkSize(text: string, maxBytes: number, from: string): void {
  // Bytes are never fewer than characters, and counting them needs a look at each.
  if (text.length > maxBytes || Buffer.byteLength(text) > maxBytes) throw tooMuch(maxBytes, from)
}

/** Why something was not read to its end. */
export function tooMuch(maxBytes: number, from: string): JnodeError {
  return new JnodeError('unexpected', `${from} sent more than ${sizeText(maxBytes)}, far more than the answer needs`, {
    hint: 'Run the command again with -v to see which question it was; look on that host for what prints so much.',
  })
}

function sizeText(bytes: number): string {
  return bytes >= 1_000_000 ? `${Math.round(bytes / 1_000_000)} MB` : `${Math.round(bytes / 1000)} kB`
}
