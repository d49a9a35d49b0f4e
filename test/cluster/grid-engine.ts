/** Grid Engine in the lab: a fresh cell, real daemons, and a site's configuration. */
import {chown, copyFile, mkdir, readdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {startDaemon} from './daemons.ts'
import {execIn, type Place} from './guest.ts'
import {labPaths} from './paths.ts'
import {until} from './run.ts'
import {fqdn, NODES} from './topology.ts'

export const SLOTS_PER_NODE = 4

/** Writes the cell and the daemons' spool directories; `admin` is Debian's account for Grid Engine. */
export async function writeCell(lab: string, admin: {uid: number; gid: number}): Promise<void> {
  const paths = labPaths(lab)
  const common = join(paths.cell, 'common')
  const headSpool = join(paths.host('head'), 'spool')
  const directories = [paths.cell, common, join(headSpool, 'qmaster'), join(headSpool, 'qmaster', 'job_scripts'), join(headSpool, 'spooldb')]
    .concat(NODES.map((node) => join(paths.host(node), 'spool', 'execd')))
  for (const directory of directories) {
    await mkdir(directory, {recursive: true})
    await chown(directory, admin.uid, admin.gid)
  }
  await copyFile('/usr/share/gridengine/default-bootstrap', join(common, 'bootstrap'))
  await writeFile(join(common, 'act_qmaster'), `${fqdn('head')}\n`)
  for (const file of await readdir(common)) await chown(join(common, file), admin.uid, admin.gid)
}

/** Starts all daemons on booted hosts and configures the site; answers when a job would run at once. */
export async function startGridEngine(lab: string): Promise<void> {
  const init = ['/usr/share/gridengine/scripts/init_cluster', '/var/lib/gridengine', 'default', '/var/spool/gridengine/spooldb', 'sgeadmin']
  await onHead(lab, ['setpriv', '--reuid=sgeadmin', '--regid=sgeadmin', '--clear-groups', ...init])
  await startDaemon(lab, 'head', 'sge_qmaster')
  await configureGlobals(lab)
  await configureHosts(lab)
  await Promise.all(NODES.map((node) => startDaemon(lab, node, 'sge_execd')))
  await configureQueue(lab)
  await nodesReady(lab)
}

async function configureGlobals(lab: string): Promise<void> {
  // Quicker than Debian's 40 s and 5 min, so that a test sees a dead node while it waits.
  await change(lab, '-sconf', '-Mconf', {load_report_time: '00:00:05', max_unheard: '00:00:20'}, 'global')
  await change(lab, '-ssconf', '-Msconf', {schedule_interval: '0:0:1', schedd_job_info: 'true'})
  const complexes = await qconf(lab, ['-sc'])
  const lines = complexes.split('\n').filter((line) => !line.startsWith('#') && !line.startsWith('mem_free '))
  lines.unshift('mem_free mf MEMORY <= YES YES 0 0', 'gpu gpu INT <= YES YES 0 0')
  await qconf(lab, ['-Mc'], lines.join('\n'))
  await qconf(lab, ['-Ap'], parallelEnvironment('smp', '$pe_slots'))
  await qconf(lab, ['-Ap'], parallelEnvironment('mpi', '$fill_up'))
  await qconf(lab, ['-Ap'], parallelEnvironment('make', '$round_robin'))
}

async function configureHosts(lab: string): Promise<void> {
  await qconf(lab, ['-ah', NODES.map(fqdn).join(',')])
  await qconf(lab, ['-as', fqdn('head')])
  for (const node of NODES) {
    const values = `mem_free=8G,gpu=${node === 'node2' ? 2 : 0}`
    await qconf(lab, ['-Ae'], settings({
      hostname: fqdn(node), load_scaling: 'NONE', complex_values: values,
      user_lists: 'NONE', xuser_lists: 'NONE', projects: 'NONE', xprojects: 'NONE', usage_scaling: 'NONE', report_variables: 'NONE',
    }))
  }
  await qconf(lab, ['-Ahgrp'], settings({group_name: '@allhosts', hostlist: NODES.map(fqdn).join(' ')}))
}

async function configureQueue(lab: string): Promise<void> {
  await change(lab, '-sq', '-Aq', {
    qname: 'all.q',
    hostlist: '@allhosts',
    slots: String(SLOTS_PER_NODE),
    pe_list: 'make mpi smp',
    shell: '/bin/bash',
    shell_start_mode: 'unix_behavior',
    notify: '00:00:05',
    // Both nodes report the load of the one machine below, which says nothing about the lab.
    load_thresholds: 'NONE',
  })
}

/**
 * Waits until every queue instance exists and Grid Engine has heard of its node: no letter in its state. The error
 * state that a job leaves when its node loses power is cleared on the way, as an administrator does by hand.
 */
export async function nodesReady(lab: string): Promise<void> {
  await until('queue instances', async () => {
    const {stdout} = await onHead(lab, ['qstat', '-f', '-q', 'all.q'])
    // Columns: name, type, used, load, architecture, and a state only when something is wrong.
    const rows = stdout.split('\n').filter((line) => line.startsWith('all.q@')).map((line) => line.trim().split(/\s+/))
    for (const [queue = '', , , , , state] of rows) {
      if (state?.includes('E')) await onHead(lab, ['qmod', '-cq', queue])
    }
    return rows.length === NODES.length && rows.every((row) => row.length === 5 && row[3] !== '-NA-')
  }, 60_000)
}

/** Runs qconf on the head as its manager; `file` is what an option that reads a file is given. */
export async function qconf(lab: string, args: readonly string[], file?: string): Promise<string> {
  const viaFile = 'f=$(mktemp) && cat >"$f" && qconf "$@" "$f"; s=$?; rm -f "$f"; exit $s'
  // Grid Engine ignores a last line that does not end.
  const {exitCode, stdout, stderr} = file === undefined
    ? await onHead(lab, ['qconf', ...args])
    : await onHead(lab, ['bash', '--norc', '-c', viaFile, 'bash', ...args], `${file}\n`)
  if (exitCode !== 0) throw new Error(`qconf ${args.join(' ')} ended with ${exitCode}: ${stderr}${stdout}`)
  return stdout
}

/** Reads a configuration, replaces some of its attributes and loads it back. */
async function change(lab: string, show: string, load: string, attributes: Record<string, string>, name?: string): Promise<void> {
  const shown = await qconf(lab, name === undefined ? [show] : [show, name])
  const lines = shown.replaceAll('\\\n', ' ').split('\n').map((line) => {
    const [key = ''] = line.split(/\s/)
    return attributes[key] === undefined ? line : `${key} ${attributes[key]}`
  })
  // -Mconf takes the name of the configuration from the name of its file.
  if (load === '-Mconf') {
    await onHead(lab, `d=$(mktemp -d) && cat >"$d/${name}" && qconf -Mconf "$d/${name}"; s=$?; rm -r "$d"; exit $s`, lines.join('\n'))
  } else {
    await qconf(lab, [load], lines.join('\n'))
  }
}

function parallelEnvironment(name: string, rule: string): string {
  return settings({
    pe_name: name, slots: '999', user_lists: 'NONE', xuser_lists: 'NONE', start_proc_args: 'NONE', stop_proc_args: 'NONE',
    allocation_rule: rule, control_slaves: 'TRUE', job_is_first_task: 'TRUE', urgency_slots: 'min',
    accounting_summary: 'FALSE', qsort_args: 'NONE',
  })
}

function settings(attributes: Record<string, string>): string {
  return Object.entries(attributes).map(([key, value]) => `${key} ${value}`).join('\n')
}

function onHead(lab: string, command: readonly string[] | string, input?: string) {
  const place: Place = {lab, host: 'head', user: 'root'}
  return execIn(place, command, {...(input !== undefined && {input}), cwd: '/'})
}
