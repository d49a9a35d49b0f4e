/**
 * Does in a browser what a user does in JupyterLab: `{url, code, command, file}` on stdin. Runs the code in a notebook, the command in a
 * terminal, and uploads a file of that name; on stdout `{output}`, what the cell printed.
 */
import {writeFileSync} from 'node:fs'
import {text} from 'node:stream/consumers'
import {chromium} from 'playwright-core'

const {url, code, command, file} = JSON.parse(await text(process.stdin))
const browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu']})
try {
  const context = await browser.newContext({viewport: {width: 1200, height: 800}})
  context.setDefaultTimeout(120_000)
  const page = await context.newPage()
  // A workspace of its own: JupyterLab opens in each what was open in it before.
  await page.goto(url.replace('/lab', `/lab/workspaces/${file.replaceAll('.', '-')}-${Date.now()}`))
  await page.locator('.jp-LauncherCard[data-category="Notebook"]').first().click()
  const cell = page.locator('.jp-Notebook .jp-CodeCell').first()
  await cell.locator('.cm-content').click()
  await page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').waitFor()
  await page.keyboard.insertText(code)
  await page.keyboard.press('Shift+Enter')
  const output = cell.locator('.jp-OutputArea-output').first()
  await output.waitFor()
  const printed = (await output.innerText()).trim()

  writeFileSync(`/tmp/${file}`, 'uploaded\n')
  const chooser = page.waitForEvent('filechooser')
  await page.locator('.jp-FileBrowser [data-command="filebrowser:upload"], .jp-FileBrowser-toolbar [title^="Upload"]').first().click()
  await (await chooser).setFiles(`/tmp/${file}`)
  await page.locator(`.jp-DirListing-item[title*="${file}"]`).waitFor()

  await page.locator('.jp-FileBrowser-toolbar [data-command="launcher:create"]').first().click()
  await page.locator('.jp-LauncherCard[title="Start a new terminal session"]:visible').click()
  await page.locator('.jp-Terminal .xterm-helper-textarea').focus()
  await page.keyboard.type(`${command}\n`)
  await page.locator('.jp-DirListing-item[title*="from-terminal"]').waitFor()
  process.stdout.write(JSON.stringify({output: printed}))
} finally {
  await browser.close()
}
