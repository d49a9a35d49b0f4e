/** Flags that several commands share. Values are checked in config/, so that a variable or a profile fails with the same words. */
import {Args, Flags} from '@oclif/core'

export const clusterFlags = {
  cluster: Flags.string({char: 'c', env: 'JNODE_CLUSTER', helpValue: 'C', description: 'cluster of config.toml'}),
  host: Flags.string({env: 'JNODE_HOST', helpValue: '[user@]head[:port]', description: 'head node, without any configuration; "local" for this machine'}),
  jump: Flags.string({env: 'JNODE_JUMP', multiple: true, multipleNonGreedy: true, helpValue: '[user@]gateway[:port]', description: 'gateway on the way to --host; repeat in order'}),
}

/** Of commands that may log in. */
export const loginFlags = {
  ...clusterFlags,
  transport: Flags.string({env: 'JNODE_TRANSPORT', helpValue: 'auto|ssh2|openssh', description: 'what logs in: ssh2, or the ssh program of this computer (default: auto)'}),
}

export const tunnelFlags = {
  port: Flags.string({env: 'JNODE_PORT', helpValue: 'N', description: 'local port (default: 8888, or the next free one)'}),
  browser: Flags.string({env: 'JNODE_BROWSER', helpValue: 'PATH', description: 'browser to open'}),
  'no-browser': Flags.boolean({env: 'JNODE_NO_BROWSER', description: 'open no browser'}),
}

export const runFlags = {
  detach: Flags.boolean({char: 'd', env: 'JNODE_DETACH', description: 'keep the tunnel in the background and return'}),
  wait: Flags.string({env: 'JNODE_WAIT', helpValue: 'DURATION', description: 'give up after this time, e.g. 30m'}),
}

export const nameArg = Args.string({name: 'name', description: 'session; may be left out where there is exactly one'})
export const countFlag = Flags.string({char: 'n', helpValue: 'N', default: '100', description: 'lines to show'})
