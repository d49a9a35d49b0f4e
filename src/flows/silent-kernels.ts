/** Tells of kernels that cannot use the private sockets they were given: a notebook would only show that it is connecting. */
import {SILENT_KERNEL_HINT, silentKernelText} from '../jupyter/record.ts'
import type {Deps} from './deps.ts'
import type {JobWatch} from './watch-job.ts'

/** Warns once for each kind of kernel; settles when the watch ends. */
export async function warnOfSilentKernels(watch: JobWatch, {tell}: Pick<Deps, 'tell'>, told: Set<string>): Promise<void> {
  try {
    for (;;) {
      const silentKernels = await watch.until(({record}) => {
        const fresh = (record?.silentKernels ?? []).filter((name) => !told.has(name))
        return fresh.length > 0 ? fresh : null
      })
      for (const name of silentKernels) told.add(name)
      const text = silentKernelText({silentKernels})!
      tell({kind: 'warning', text, hint: SILENT_KERNEL_HINT, desktop: text})
    }
  } catch {
    // the watch has ended
  }
}
