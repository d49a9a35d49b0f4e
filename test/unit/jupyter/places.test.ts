import {symlinkSync, writeFileSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {findJupyterPlaces} from '../../../src/jupyter/places.ts'
import {headNode, type HeadNode} from '../sge/head-node.ts'

/** A head node whose login shell has this profile, and nothing of this machine's own programs. */
function login(profile = ''): HeadNode {
  const head = headNode()
  symlinkSync('/bin/bash', head.path('bin/bash'))
  writeFileSync(head.path('.bash_profile'), `PATH=${head.path('bin')}\necho 'Welcome!'\n${profile}\n`)
  return head
}

const CONDA = `conda() { :; }; CONDA_EXE="$HOME/miniforge3/bin/conda"`
/** The text of a module command that knows these; each puts its own directory on the PATH. */
const modules = (...names: string[]) => `
module() {
  case "$1 $2" in
    '-t avail') printf '%s\\n' /opt/modules: ${names.join(' ')} >&2;;
    load*) PATH=$HOME/modules/$2:$PATH; LOADEDMODULES=$2;;
  esac
}`

test('on the PATH of a login shell, and where pip puts it', () => {
  const head = login('PATH=$PATH:$HOME/site')
  head.program('site/jupyter-notebook', '')
  head.program('.local/bin/jupyter-lab', '')
  expect(head.ask(findJupyterPlaces())).toEqual([
    {kind: 'path', name: '', directory: head.path('.local/bin'), apps: ['lab']},
    {kind: 'path', name: '', directory: head.path('site'), apps: ['notebook']},
  ])
})

test('in conda\'s environments, by the name that conda activate takes', () => {
  const head = login(CONDA)
  head.program('miniforge3/bin/conda', '')
  head.program('miniforge3/envs/science/bin/jupyter-lab', '')
  head.program('miniforge3/envs/science/bin/jupyter-server', '')
  head.program('miniforge3/envs/plain/bin/python', '')
  head.program('elsewhere/bin/jupyter-notebook', '')
  head.program('.conda/environments.txt', '')
  writeFileSync(head.path('.conda/environments.txt'), `${head.path('miniforge3')}\n${head.path('miniforge3/envs/science')}\n${head.path('elsewhere')}\n`)
  expect(head.ask(findJupyterPlaces())).toEqual([
    {kind: 'conda', name: 'science', directory: head.path('miniforge3/envs/science/bin'), apps: ['lab', 'server']},
    {kind: 'conda', name: head.path('elsewhere'), directory: head.path('elsewhere/bin'), apps: ['notebook']},
  ])
})

describe('in modules', () => {
  test('those that have it when loaded, the likely names first and the newest of each', () => {
    const head = login(modules('gcc/12', 'jupyterhub/1', 'python/3.9', 'python/3.12', 'r/4'))
    head.program('modules/python/3.9/jupyter-notebook', '')
    head.program('modules/python/3.12/jupyter-lab', '')
    head.program('modules/r/4/jupyter-lab', '')
    expect(head.ask(findJupyterPlaces())).toEqual([
      {kind: 'module', name: 'python/3.12', directory: head.path('modules/python/3.12'), apps: ['lab']},
      {kind: 'module', name: 'python/3.9', directory: head.path('modules/python/3.9'), apps: ['notebook']},
    ])
  })

  test('not asked for where there is one already', () => {
    const head = login(`${modules('jupyter/1')}\nPATH=$PATH:$HOME/site`)
    head.program('site/jupyter-lab', '')
    head.program('modules/jupyter/1/jupyter-lab', '')
    expect(head.ask(findJupyterPlaces()).map(({kind}) => kind)).toEqual(['path'])
  })
})

test('nowhere', () => {
  expect(login().ask(findJupyterPlaces())).toEqual([])
  expect(login('exit 1').ask(findJupyterPlaces())).toEqual([])
  expect(headNode().ask(findJupyterPlaces())).toEqual([])
})
