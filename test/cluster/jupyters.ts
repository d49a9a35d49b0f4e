/** Other versions of Jupyter than Debian's, from PyPI, each installed once on this machine: `jupyters/NAME.txt` locks what is in it. */
import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {alone} from './lock.ts'
import {run} from './run.ts'

/** Every host of every lab sees it, and its users may read it. */
const CACHE = '/var/cache/jnode-lab'

/** The directory of its programs, for a PATH. Takes minutes the first time. */
export async function jupyterFromPyPI(name: string): Promise<string> {
  const requirements = fileURLToPath(new URL(`jupyters/${name}.txt`, import.meta.url))
  const hash = createHash('sha256').update(await readFile(requirements)).digest('hex').slice(0, 12)
  const root = join(CACHE, `${name}-${hash}`)
  const complete = join(root, 'complete')
  await alone(`jnode-lab-jupyter-${name}`, async () => {
    if (existsSync(complete)) return
    await rm(root, {recursive: true, force: true})
    // Not whichever Python comes first here: the lab's users must be able to run it.
    await run(['sh', '-c', 'umask 022; mkdir -p "$2"; /usr/bin/python3 -m venv "$1" && exec "$1/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$3"', 'sh', root, CACHE, requirements])
    await writeFile(complete, '')
  })
  return join(root, 'bin')
}
