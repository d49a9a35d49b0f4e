/**
 * A notice of the desktop, by the program that each system has for it. No library: the kept ones bring binaries of their own.
 * Where there is none nothing happens; what is told here is told elsewhere, too.
 */
import {spawn} from 'node:child_process'
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
  const [program, ...args] = commandFor(process.platform, title, text)
  const env = {...process.env, JNODE_NOTICE_TITLE: title, JNODE_NOTICE_TEXT: text}
  const child = spawn(findProgram(program, {env}), args, {env, stdio: 'ignore', detached: true, windowsHide: true})
  child.on('error', () => {}) // no such program: no desktop
  child.unref()
}

function commandFor(platform: NodeJS.Platform, title: string, text: string): [string, ...string[]] {
  switch (platform) {
    case 'darwin':
      return ['osascript', '-e', APPLE_SCRIPT, title, text]
    case 'win32':
      return ['powershell.exe', '-NoProfile', '-NonInteractive', '-Command', POWERSHELL]
    default:
      return ['notify-send', '--app-name=jnode', '--', title, text]
  }
}
