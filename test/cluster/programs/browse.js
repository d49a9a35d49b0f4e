/**
 * Does in a headless Chromium what a user does in the classic notebook: opens the URL, makes a notebook, runs its
 * cells, sees what they print. `{url, cells, picture}` on stdin (`picture`: whether to take one); on stdout
 * `{outputs, picture}`, the picture as base64.
 */
import {text} from 'node:stream/consumers'
import {chromium} from 'playwright-core'

const {url, cells, picture} = JSON.parse(await text(process.stdin))
const browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu']})
try {
  const context = await browser.newContext({viewport: {width: 1000, height: 420}})
  const tree = await context.newPage()
  await tree.goto(url)
  await tree.click('#new-buttons > button')
  const [page] = await Promise.all([context.waitForEvent('page'), tree.click('#kernel-python3 a')])
  await page.locator('.kernel_idle_icon').waitFor()
  const outputs = []
  for (const [i, code] of cells.entries()) {
    const cell = page.locator('.code_cell').nth(i)
    await cell.locator('.CodeMirror').click()
    // Typed text would get the editor's own brackets and indents.
    await page.keyboard.insertText(code)
    await page.keyboard.press('Shift+Enter')
    const output = cell.locator('.output_subarea').first()
    await output.waitFor()
    outputs.push((await output.innerText()).trim())
  }
  if (picture) await page.locator('.kernel_idle_icon').waitFor()
  const image = picture ? (await page.screenshot()).toString('base64') : null
  process.stdout.write(JSON.stringify({outputs, picture: image}))
} finally {
  await browser.close()
}
