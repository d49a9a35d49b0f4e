/** Bytes and Grid Engine's memory values (sge_types(5)): upper-case units count in 1024, lower-case ones in 1000. */

const UNIT_BYTES: Record<string, number> = {
  k: 1e3, m: 1e6, g: 1e9, t: 1e12,
  K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40,
}

/** `2G`, `1500M`: at least so many bytes, in the two units that every engine reads. */
export function memoryText(bytes: number): string {
  const mebibytes = Math.ceil(bytes / 2 ** 20)
  return mebibytes % 1024 === 0 ? `${mebibytes / 1024}G` : `${mebibytes}M`
}

/** Bytes of a memory value such as `1.926G`; null for anything else (`infinity`, `NONE`). */
export function parseMemory(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)([kKmMgGtT]?)$/.exec(text)
  return match ? Number(match[1]) * (UNIT_BYTES[match[2]!] ?? 1) : null
}
