/** Commands of one connection, within what its server allows at once (sshd's MaxSessions, which some sites set to 1). */
import {setTimeout as sleep} from 'node:timers/promises'
import {throwIfAborted} from '../errors.ts'
import type {OpenShell, ShellProcess} from './remote-command.ts'

export interface Shells {
  /** Waits its turn where the server allows no more. */
  run: OpenShell
  /** Gives way to `run`: what is followed is asked for as well by those who need it. */
  follow: OpenShell
}

/** A server counts a command until its process has ended, a little after its channel. */
const LINGER_MS = 3000
const AGAIN_MS = 100

/** `isRefusal`: whether an error of `open` says that the server takes no further command now. */
export function takeTurns(open: OpenShell, isRefusal: (error: unknown) => boolean): Shells {
  const taken = new Set<Promise<void>>()
  const followers = new Set<ShellProcess>()
  let lastEnded = -Infinity

  async function attempt(signal?: AbortSignal): Promise<ShellProcess> {
    let end!: () => void
    const turn = new Promise<void>((resolve) => (end = resolve))
    const over = () => {
      taken.delete(turn)
      end()
    }
    taken.add(turn)
    try {
      const shell = await open(signal)
      void shell.ended.then(() => {
        lastEnded = performance.now()
        over()
      })
      return shell
    } catch (error) {
      over()
      throw error
    }
  }

  async function whenAllowed(signal?: AbortSignal): Promise<ShellProcess> {
    for (;;) {
      try {
        return await attempt(signal)
      } catch (error) {
        if (!isRefusal(error)) throw error
        if (taken.size === 0 && performance.now() - lastEnded > LINGER_MS) throw error
        for (const follower of followers) follower.kill()
        await Promise.race([sleep(AGAIN_MS), ...taken])
        throwIfAborted(signal)
      }
    }
  }

  return {
    run: whenAllowed,
    async follow(signal) {
      const shell = await attempt(signal)
      followers.add(shell)
      void shell.ended.then(() => followers.delete(shell))
      return shell
    },
  }
}
