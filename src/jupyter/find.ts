/** Whether Jupyter is there where one is now, found as the job will find it on its node. */
import type {Ask} from '../ask.ts'
import {quote} from '../shell.ts'
import {findScript, type StartSpec} from './start-script.ts'

/** `app` is the program found (`lab`); else `why` says what is missing. */
export type FoundJupyter = {app: string; why: null} | {app: null; why: string}

export function findJupyter(spec: StartSpec): Ask<FoundJupyter> {
  return {
    script: `private=$(mktemp -d) || exit
printf '%s' ${quote(findScript(spec))} >"$private/start"
if command -v bash >/dev/null; then shell=bash; else shell=sh; fi
"$shell" -l "$private/start" "$private" "$private/record" </dev/null >/dev/null 2>&1
sed -n 's/^app /app /p' "$private/record" 2>/dev/null || :
[ -s "$private/record" ] || sed 's/^[^ ]* /why /' "$private/why"
rm -rf "$private"`,
    read({stdout}) {
      const app = /^app (.+)$/m.exec(stdout)?.[1]
      return app ? {app, why: null} : {app: null, why: /^why (.+)$/m.exec(stdout)?.[1] ?? 'the shell that looked for it ended without a word'}
    },
  }
}
