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
  /** The user's own, which hold beside `nodesFile`. */
  knownHostsFiles: readonly string[]
  identityFiles: readonly string[]
  /** The program and its arguments whose stdin and stdout are the connection. */
  proxy: readonly string[]
}

type Option = [keyword: string, value: string]

/** Options in ssh_config's words, in order. */
function nodeOptions({node, user, pinnedFile, nodesFile, knownHostsFiles, identityFiles, proxy}: NodeConfig): Option[] {
  return [
    ['HostName', checkHostName(node)],
    ['User', user],
    ['Port', '22'],
    // A percent sign is ssh's own here.
    ['ProxyCommand', command(proxy).replaceAll('%', '%%')],
    ['HostKeyAlias', node],
    ...(pinnedFile === null
      ? [['UserKnownHostsFile', fileNames([nodesFile, ...knownHostsFiles])] satisfies Option]
      : [['UserKnownHostsFile', fileNames([pinnedFile])] satisfies Option, ['GlobalKnownHostsFile', '/dev/null'] satisfies Option]),
    ['StrictHostKeyChecking', pinnedFile === null ? 'accept-new' : 'yes'],
    ['UpdateHostKeys', 'no'],
    ['CheckHostIP', 'no'],
    ...identityFiles.map((file): Option => ['IdentityFile', fileNames([file])]),
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
