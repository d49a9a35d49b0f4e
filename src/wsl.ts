/** Whether this is Linux inside Windows, whose browser is a program of Windows and reaches 127.0.0.1 here, and no other address. */
export function isWsl(): boolean {
  return Boolean(process.env['WSL_DISTRO_NAME'])
}
