/** A head node of a directory: real sh, and programs that the test writes. Nothing of this machine's own Grid Engine is seen. */
import {spawnSync} from 'node:child_process'
import {chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {onTestFinished} from 'vitest'
import type {Ask} from '../../../src/ask.ts'

const TOOLS = ['sh', 'awk', 'cat', 'date', 'env', 'grep', 'head', 'id', 'ls', 'ps', 'sed', 'sort', 'tail', 'tr', 'uname', 'xargs', 'timeout']

export interface HeadNode {
  /** Path of a file of the directory. */
  path(name: string): string
  file(name: string, text: string | Uint8Array): void
  /** Writes an executable sh script; its directory is made. */
  program(name: string, script: string): void
  ask<T>(question: Ask<T>, env?: Record<string, string>): T
}

export function headNode(): HeadNode {
  const root = mkdtempSync(join(tmpdir(), 'jnode-head-'))
  onTestFinished(() => rmSync(root, {recursive: true}))
  const path = (name: string) => join(root, name)
  mkdirSync(path('bin'))
  for (const tool of TOOLS) symlinkSync(spawnSync('/bin/sh', ['-c', `command -v ${tool}`], {encoding: 'utf8'}).stdout.trim(), path(`bin/${tool}`))
  return {
    path,
    file: (name, text) => writeFileSync(path(name), text),
    program(name, script) {
      mkdirSync(dirname(path(name)), {recursive: true})
      rmSync(path(name), {force: true}) // it may be a link to a program of this machine
      writeFileSync(path(name), `#!/bin/sh\n${script}\n`)
      chmodSync(path(name), 0o755)
    },
    ask(question, env = {}) {
      const {status, stdout, stderr} = spawnSync(path('bin/sh'), ['-s'], {
        input: question.script,
        cwd: root,
        env: {PATH: path('bin'), HOME: root, ...env},
        encoding: 'utf8',
        maxBuffer: 64_000_000,
      })
      return question.read({exitCode: status ?? -1, stdout, stderr})
    },
  }
}
