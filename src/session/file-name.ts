/** Clusters are called as their hosts are; on this computer files are called after them. */

/** A leading dot is encoded as well, so that no name means the folder itself or the one above. */
export function fileNameOf(name: string): string {
  return encodeURIComponent(name).replace(/^\./, '%2E')
}
