import {release} from 'node:os'

/** Whether this is Linux inside Windows, whose browser is a program of Windows and reaches 127.0.0.1 here, and no other address. */
export function isWsl(): boolean {
  // The variable is not there in every login.
  return process.platform === 'linux' && (Boolean(process.env['WSL_DISTRO_NAME']) || /microsoft/i.test(release()))
}
