/** What can be made to go wrong in the fake cluster, switchable while it runs. */
export const HOPS = ['gateway', 'head', 'node1', 'node2'] as const
export type HopName = (typeof HOPS)[number]

export interface Faults {
  /** qsub and its family are installed nowhere. */
  'no-qsub': true
  /** qsub is on PATH only once `settings.sh` was sourced (its path: `cluster.settings`). */
  'qsub-only-after-settings': true
  /** As above, but a login shell (`bash -l`) sources it. */
  'qsub-only-after-login': true
  /** qsub refuses with this reason. */
  'qsub-rejects': string
  /** qsub prints site messages full of digits around its answer. */
  'qsub-banner': true
  /** qsub accepts the job, but its answer is lost (prints nothing, exit 1). */
  'qsub-answer-lost': true
  'qstat-nonsense': true
  'qstat-empty': true
  /** qmaster cannot be reached, by qstat only or by all programs. */
  'qstat-fails': true
  'qmaster-down': true
  'qstat-truncated': true
  /** Jobs stay in qw; the scheduler says why. */
  'never-schedules': true
  /** Jobs go to Eqw instead of running. */
  eqw: true
  /** The job's processes are killed as soon as it has started. */
  'job-dies': true
  'no-jupyter': true
  'home-not-writable': true
  /** Files can be made in the home directory, but nothing written into them. */
  'home-full': true
  /** The login shell's start-up file prints 100 lines and a binary blob on stdout. */
  banner: true
  /** These hops' sshd forwards no Unix sockets (true: both nodes). */
  'no-streamlocal': true | HopName[]
  /** These hops' sshd forwards no TCP (true: both nodes). */
  'no-tcp-forwarding': true | HopName[]
  /** These hops show another host key than known_hosts has. */
  'hostkey-changed': HopName[]
  /** New connections to these hops are refused. */
  unreachable: HopName[]
  /** Milliseconds each chunk takes through the laptop's link, in each direction. */
  'slow-link': number
  'login-shell': 'csh' | 'tcsh' | 'fish' | 'zsh' | 'bash' | 'sh'
  /**
   * Cuts the laptop's link once: after so many bytes from the cluster, or when the nth command from now has
   * run to its end but its answer is still on the way.
   */
  'drop-connection-after': {bytes: number} | {exec: number}
}

export type FaultName = keyof Faults

/** The faults that are on. */
export type ActiveFaults = {[K in FaultName]?: Faults[K]}

const NODES: readonly HopName[] = ['node1', 'node2']

/** Whether a fault that names hops concerns this one. */
export function concerns(value: true | readonly HopName[] | undefined, hop: HopName): boolean {
  if (value === undefined) return false
  return (value === true ? NODES : value).includes(hop)
}
