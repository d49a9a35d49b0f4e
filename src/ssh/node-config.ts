/** What an ssh program is told to reach a compute node through jnode, as its options. */
import {command} from '../shell.ts'

export interface NodeConfig {
  /** As the user says it: `ssh NAME`. */
  alias: string
  node: string
  user: string
  /** A known_hosts file that holds the node's keys under its name; they are all that is accepted. Null: the first one seen is. */
  pinnedFile: string | null
  nodesFile: string
  identityFiles: readonly string[]
  /** The program and its arguments whose stdin and stdout are the connection. */
  proxy: readonly string[]
}

/** Options in ssh_config's words, in order. */
export function nodeOptions({node, user, pinnedFile, nodesFile, identityFiles, proxy}: NodeConfig): [keyword: string, value: string][] {
  return [
    ['HostName', node],
    ['User', user],
    ['Port', '22'],
    // A percent sign is ssh's own here.
    ['ProxyCommand', command(proxy).replaceAll('%', '%%')],
    ['HostKeyAlias', node],
    ['UserKnownHostsFile', `"${pinnedFile ?? nodesFile}"`],
    ['GlobalKnownHostsFile', '/dev/null'],
    ['StrictHostKeyChecking', pinnedFile === null ? 'accept-new' : 'yes'],
    ['UpdateHostKeys', 'no'],
    ['CheckHostIP', 'no'],
    ...identityFiles.map((file): [string, string] => ['IdentityFile', `"${file}"`]),
  ]
}

/** A `Host` block. */
export function hostBlock(config: NodeConfig): string {
  return [`Host ${config.alias}`, ...nodeOptions(config).map(([keyword, value]) => `  ${keyword} ${value}`)].join('\n')
}

/** Arguments for one call of ssh. */
export function sshArguments(config: NodeConfig): string[] {
  return [...nodeOptions(config).flatMap(([keyword, value]) => ['-o', `${keyword}=${value}`]), '--', config.alias]
}
