import {Flags} from '@oclif/core'
import {BaseCommand, exitCodeOf} from '../base-command.ts'
import type {Check} from '../flows/checks.ts'
import {doctor} from '../flows/doctor.ts'
import {checksText} from '../ui/views.ts'
import {loginFlags} from './flags.ts'

interface Report {
  ok: boolean
  cluster: string | null
  checks: readonly Check[]
}

export default class Doctor extends BaseCommand {
  static override summary = 'Check every step from here to the compute node, and name what mends the one that fails'
  static override flags = {
    ...loginFlags,
    job: Flags.boolean({description: 'run a job for a moment, to check the node, Jupyter and the route too'}),
  }

  async run(): Promise<Report> {
    const {flags} = await this.parse(Doctor)
    const {job, cluster, host, jump, transport} = flags
    const runtime = await this.outside(flags)
    const place = {...(cluster && {cluster}), ...(host && {host}), ...(jump && {jump}), ...(transport && {transport})}
    const {failure, ...seen} = await doctor({resolve: () => runtime.resolveStart(null, place), sshVersion: runtime.sshVersion, job, signal: this.signal}, runtime.deps)
    if (failure) process.exitCode = exitCodeOf(failure)
    return this.result({ok: failure === null, ...seen}, ({checks}) => checksText(checks))
  }
}
