/**
 * A notice of the desktop, by the program that each system has for it. No library: the kept ones bring binaries of their own.
 * Where there is none nothing happens; what is told here is told elsewhere, too.
 */
import {spawn} from 'node:child_process'
import {oneLine} from '../printable.ts'
import {findProgram} from '../program.ts'

/** The words travel as arguments or variables, never as part of a script. Others may see them: no secret belongs in them. */
const APPLE_SCRIPT = 'on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run'

const POWERSHELL = `[Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime] | Out-Null
$toast = [Windows.UI.Notifications.ToastNotificationManager]::GetTemplateContent([Windows.UI.Notifications.ToastTemplateType]::ToastText02)
$texts = $toast.GetElementsByTagName('text')
$texts.Item(0).AppendChild($toast.CreateTextNode($env:JNODE_NOTICE_TITLE)) | Out-Null
$texts.Item(1).AppendChild($toast.CreateTextNode($env:JNODE_NOTICE_TEXT)) | Out-Null
[Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier('{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe').Show([Windows.UI.Notifications.ToastNotification]::new($toast))`

export function showNotice(title: string, text: string): void {
  const words = {title: plain(title, 80), text: plain(text, 300)}
  const [program, ...args] = commandFor(process.platform, words)
  const env = {...process.env, JNODE_NOTICE_TITLE: words.title, JNODE_NOTICE_TEXT: words.text}
  const child = spawn(findProgram(program, {env}), args, {env, stdio: 'ignore', detached: true, windowsHide: true})
  child.on('error', () => {}) // no such program: no desktop
  child.unref()
}

/** Some desktops read markup in a notice and some show it as it is: replaced and not escaped, it is the same text on both. */
const INERT: Record<string, string> = {'<': '‹', '>': '›', '&': '+', '`': "'"}

/** One line that is no markup, and no option of the program either. */
export function plain(text: string, most: number): string {
  return oneLine(text, most).replace(/[<>&`]/g, (character) => INERT[character]!).replace(/^[-\s]+/, '')
}

/** The program and its arguments that show a notice on this platform. */
export function commandFor(platform: NodeJS.Platform, {title, text}: {title: string; text: string}): [string, ...string[]] {
  switch (platform) {
    case 'darwin':
      return ['osascript', '-e', APPLE_SCRIPT, title, text]
    case 'win32':
      return ['powershell.exe', '-NoProfile', '-NonInteractive', '-Command', POWERSHELL]
    default:
      return ['notify-send', '--app-name=jnode', '--', title, text]
  }
}
