/** Why a route does not work, in the same words wherever it is seen. */
import type {JnodeError} from '../errors.ts'
import type {Remote} from '../ssh/remote.ts'
import {closed, hostOf, mustForward, NODES_MUST_FORWARD} from './route-context.ts'

export function noSocketsOnNode(nodeName: string, why: string): JnodeError {
  return closed(`the SSH server of ${nodeName} opens no streams to sockets: ${why}`, NODES_MUST_FORWARD)
}

export function noPortsOnNode(nodeName: string, why: string): JnodeError {
  return closed(`the SSH server of ${nodeName} opens no streams to its own ports: ${why}`, NODES_MUST_FORWARD)
}

export function noStreamsOnNode(nodeName: string, head: Remote, why: string): JnodeError {
  return closed(`the SSH server of ${nodeName} opens no streams for ssh on ${hostOf(head)}: ${why}`, NODES_MUST_FORWARD)
}

export function noStreamsOnHead(head: Remote, why: string): JnodeError {
  return closed(`${head.label} opens no streams to its own sockets and ports: ${why}`, mustForward(hostOf(head)))
}

/** Of a port of the node, from the head. */
export function noDirectStream(nodeName: string, head: Remote, why: string): JnodeError {
  if (/prohibited/i.test(why)) return closed(`${head.label} may not open streams to ${nodeName}: ${why}`, mustForward(hostOf(head)))
  return closed(`${hostOf(head)} cannot connect to a port of ${nodeName}: ${why}`, `TCP connections from ${hostOf(head)} to ports above 1023 of the compute nodes`)
}

/** The job's own ssh, or one on its node. */
export function noLoginToHead(head: Remote, why: string): JnodeError {
  return closed(`ssh from the node does not get to ${hostOf(head)}: ${why}`, /forwarding failed/.test(why) ? mustForward(hostOf(head)) : `SSH logins from the compute nodes to ${hostOf(head)} without a password`)
}
