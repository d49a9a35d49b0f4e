/** The home directory on the cluster, as far as a session needs it. */
import type {Ask} from '../ask.ts'

/** `freeKb` is null where `df` says nothing that is understood. */
export interface HomeSpace {
  freeKb: number | null
  /** Why it cannot be written to, in the host's words; null where it can. */
  refusal: string | null
}

/** Writes as much as a session's files need, so that a quota shows too, and removes it. */
export const homeSpace: Ask<HomeSpace> = {
  script: `dir=~/.jnode; [ -d "$dir" ] || dir=~
df -Pk "$dir" 2>/dev/null | awk 'NR == 2 {print "free", $4}'
file=$dir/.jnode-doctor.$$
trap 'rm -f "$file"' EXIT
( dd if=/dev/zero of="$file" bs=1024 count=256 && sync "$file" ) 2>&1 >/dev/null | sed -n '/records/!{/copied/!s/^/said /p}'`,
  read({stdout}) {
    const free = /^free (\d+)$/m.exec(stdout)?.[1]
    return {freeKb: free === undefined ? null : Number(free), refusal: /^said (?:dd: )?(.+)$/m.exec(stdout)?.[1] ?? null}
  },
}
