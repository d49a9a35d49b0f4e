/** What an ssh program is told to reach a compute node through jnode, as its options. */
import {checkHostName} from '../rules.ts'
import {command} from '../shell.ts'
import {fileNames, hostPattern, optionText} from './option-text.ts'

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
function nodeOptions({node, user, pinnedFile, nodesFile, identityFiles, proxy}: NodeConfig): [keyword: string, value: string][] {
  return [
    ['HostName', checkHostName(node)],
    ['User', user],
    ['Port', '22'],
    // A percent sign is ssh's own here.
    ['ProxyCommand', command(proxy).replaceAll('%', '%%')],
    ['HostKeyAlias', node],
    ['UserKnownHostsFile', fileNames([pinnedFile ?? nodesFile])],
    ['GlobalKnownHostsFile', '/dev/null'],
    ['StrictHostKeyChecking', pinnedFile === null ? 'accept-new' : 'yes'],
    ['UpdateHostKeys', 'no'],
    ['CheckHostIP', 'no'],
    ...identityFiles.map((file): [string, string] => ['IdentityFile', fileNames([file])]),
  ]
}

/** A `Host` block. */
export function hostBlock(config: NodeConfig): string {
  return [`Host ${hostPattern(config.alias)}`, ...nodeOptions(config).map(([keyword, value]) => `  ${optionText(keyword, value)}`)].join('\n')
}

/** Arguments for one call of ssh. */
export function sshArguments(config: NodeConfig): string[] {
  return [...nodeOptions(config).flatMap(([keyword, value]) => ['-o', optionText(keyword, value, '=')]), '--', hostPattern(config.alias)]
}
