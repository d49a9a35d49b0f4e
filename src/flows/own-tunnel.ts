/** The tunnel of a session at the session's own origin, which is the same one each time and never another session's. */
import type {ClusterTarget} from '../config/cluster.ts'
import type {OfferedOrigin} from '../session/origins.ts'
import {openTunnel, type Tunnel} from '../tunnel/tunnel.ts'
import type {Deps} from './deps.ts'

export interface OwnTunnelOptions {
  cluster: ClusterTarget
  name: string
  /** Asked for by the user; null for the session's own, or the next free one. */
  port: number | null
  /** What the cluster says that the session has elsewhere; URLs were saved there. */
  offered?: OfferedOrigin
}

export interface OwnTunnel {
  tunnel: Tunnel
  /** Whether a guard had the port. */
  guarded: boolean
  label: string
}

/** Says so where saved URLs do not fit. Throws `port-taken`, `config`. */
export async function openOwnTunnel({cluster, name, port, offered}: OwnTunnelOptions, deps: Pick<Deps, 'origins' | 'keepers' | 'tell'>): Promise<OwnTunnel> {
  const owner = {cluster: cluster.name, hops: cluster.hops, name}
  const own = await deps.origins.of(owner, offered)
  // A guard may be left from a session of that name whose job ended meanwhile.
  const guarded = await deps.keepers.dismiss(cluster.name, name)
  const tunnel = await openTunnel({origin: own.origin, port: port ?? own.port, orNext: port === null})
  try {
    await deps.origins.notePort(owner, tunnel.port)
  } catch (error) {
    await tunnel.close()
    throw error
  }
  const {label} = own.origin
  const expected = own.port ?? offered?.port ?? null
  if (offered?.label !== undefined && offered.label !== label) {
    deps.tell({kind: 'warning', text: `Session ${name} has another address here than on the computer that started it: URLs saved there do not work here`})
  } else if (port === null && expected !== null && tunnel.port !== expected) {
    deps.tell({kind: 'warning', text: `Port ${expected} cannot be had at ${tunnel.host}, so the URL has changed: its port is now ${tunnel.port}. Saved URLs do not fit`, ...(guarded && {hint: 'Somebody took it in the moment in which it was free: close all browser tabs of this session.'})})
  }
  return {tunnel, guarded, label}
}
