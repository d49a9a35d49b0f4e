/**
 * Does in a headless Chromium what a user does in the classic notebook: opens the URL, makes a notebook, runs its
 * cells, sees what they print. `{url, cells, picture}` on stdin (`picture`: whether to take one); on stdout
 * `{outputs, picture}`, the picture as base64.
 */
import {text} from 'node:stream/consumers'
import {chromium} from 'playwright-core'

async function photograph(page) {
  await page.locator('.kernel_idle_icon').waitFor()
  await page.locator('#notification_area .btn:visible:not(#notification_trusted)').first().waitFor({state: 'hidden'})
  await page.locator('#site').evaluate((site) => site.scrollTo(0, 0))
  return (await page.screenshot()).toString('base64')
}

const {url, cells, picture} = JSON.parse(await text(process.stdin))
const browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu']})
try {
  const context = await browser.newContext({viewport: {width: 1000, height: 460}})
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
  process.stdout.write(JSON.stringify({outputs, picture: picture ? await photograph(page) : null}))
} finally {
  await browser.close()
}
