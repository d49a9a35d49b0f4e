/**
 * The browser's view of a session: a place of its own, so that no page, cookie or service worker of one session is another's.
 * A random label names it. The address in 127.0.0.0/8 is read off the label, so that both are free or taken together, on every computer.
 */
import {createHash} from 'node:crypto'

export interface Origin {
  /** One DNS label with 80 random bits. */
  label: string
  /** Three octets from 1 to 254 behind 127: never one that a system uses itself, such as 127.0.0.53. */
  address: string
}

export const LABEL = /^j[0-9a-f]{20}$/

/** Hex digits that make a label. */
export const LABEL_DIGITS = 20

export function originOf(label: string): Origin {
  const octets = [...createHash('sha256').update(label).digest().subarray(0, 3)].map((byte) => 1 + (byte % 254))
  return {label, address: ['127', ...octets].join('.')}
}

/** The name where the system has no other address than 127.0.0.1: browsers take all of `.localhost` for this computer. */
export function nameOf({label}: Origin): string {
  return `${label}.localhost`
}

export function isName(host: string): boolean {
  return host.endsWith('.localhost')
}

/** What a browser's Host header says. */
export function hostHeader(host: string, port: number): string {
  return port === 80 ? host : `${host}:${port}`
}
