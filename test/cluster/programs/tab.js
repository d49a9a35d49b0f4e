/**
 * A browser tab with a classic notebook, left open. `{url}` is the first line on stdin; after it `{code}` runs a cell,
 * `{visit}` opens a URL in a second tab, `{read}` tells what that one shows by now. On stdout one line of JSON for each:
 * `{output, healed}`, with `healed` telling whether the notebook came back by itself or needed its menu, or `{text}`.
 */
import {createInterface} from 'node:readline'
import {chromium} from 'playwright-core'

/** Jupyter's own reconnect waits up to 64 s between two tries, and gives up after two minutes. */
const BY_ITSELF_MS = 70_000
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const lines = createInterface({input: process.stdin})[Symbol.asyncIterator]()
const {url} = JSON.parse((await lines.next()).value)
const browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu']})
const context = await browser.newContext({viewport: {width: 1000, height: 700}})
context.setDefaultTimeout(120_000)
const tree = await context.newPage()
await tree.goto(url)
await tree.click('#new-buttons > button')
const [page] = await Promise.all([context.waitForEvent('page'), tree.click('#kernel-python3 a')])
await page.locator('.kernel_idle_icon').waitFor()
const connected = () => page.evaluate('Jupyter.notebook.kernel.is_connected()')
let cells = 0

async function heal() {
  for (const end = Date.now() + BY_ITSELF_MS; Date.now() < end; await page.waitForTimeout(250)) {
    if (await connected()) return 'by itself'
  }
  // What a person does who comes back after a while: away with the dialog, and Kernel > Reconnect.
  for (const button of await page.locator('.modal.in .modal-footer .btn').all()) await button.click()
  await page.click('#kernellink')
  await page.click('#reconnect_kernel a')
  await page.waitForFunction('Jupyter.notebook.kernel.is_connected()')
  return 'by its menu'
}

async function run(code) {
  const healed = await heal()
  const cell = page.locator('.code_cell').nth(cells++)
  await cell.locator('.CodeMirror').click()
  await page.keyboard.insertText(code)
  await page.keyboard.press('Shift+Enter')
  const output = cell.locator('.output_subarea').first()
  await output.waitFor()
  return {output: (await output.innerText()).trim(), healed}
}

const second = await context.newPage()
try {
  tell({text: 'open'})
  for await (const line of lines) {
    const {code, visit} = JSON.parse(line)
    if (code !== undefined) tell(await run(code))
    else {
      if (visit !== undefined) await second.goto(visit)
      tell({text: await second.locator('body').innerText()})
    }
  }
} finally {
  await browser.close()
}
