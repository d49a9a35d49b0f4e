/** What all commands share: Ctrl-C as an abort, one place for errors and exit codes, progress on stderr. */
import {Command, Errors, Flags} from '@oclif/core'
import type {ReadStream} from 'node:tty'
import {EXIT_CODES, JnodeError, messageOf} from './errors.ts'
import {makeRuntime, type Runtime} from './runtime.ts'
import {choosePrompter} from './ssh/prompt.ts'
import {errorText} from './ui/error-view.ts'
import {writeJson, writeLine} from './ui/output.ts'
import {terminalPrompter} from './ui/prompts.ts'
import {makeReporter, type Reporter} from './ui/reporter.ts'

export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true
  static override baseFlags = {
    quiet: Flags.boolean({char: 'q', env: 'JNODE_QUIET', description: 'show warnings and results only', helpGroup: 'GLOBAL'}),
    verbose: Flags.boolean({char: 'v', env: 'JNODE_VERBOSE', description: 'show what is done and how long it takes', helpGroup: 'GLOBAL'}),
  }

  private readonly interrupt = new AbortController()
  private reporter: Reporter | null = null
  private runtime: Runtime | null = null
  private verbose = false

  /** Aborted by the first Ctrl-C; the second one ends the process at once, as without us. */
  protected get signal(): AbortSignal {
    return this.interrupt.signal
  }

  override async init(): Promise<void> {
    await super.init()
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      // `on` and not `once`: libraries that restore the cursor end the process when they find nobody else listening.
      process.on(name, () => {
        if (this.signal.aborted) endAtOnce(name)
        this.interrupt.abort(new JnodeError('interrupted', 'Interrupted'))
      })
    }
  }

  /** The real outside world, with a reporter as loud as the flags say. */
  protected async outside(flags: {quiet: boolean; verbose: boolean; json?: boolean | undefined}, stdin: ReadStream = process.stdin): Promise<Runtime & {reporter: Reporter}> {
    const json = this.jsonEnabled()
    this.verbose = flags.verbose
    const reporter = await makeReporter(process.stderr, flags.quiet || (json && !flags.verbose) ? 'quiet' : flags.verbose ? 'verbose' : 'normal')
    this.reporter = reporter
    const terminal = terminalPrompter({stdin, stderr: process.stderr}, (work) => reporter.pause(work))
    const runtime = makeRuntime({env: process.env, tell: reporter.tell, prompter: choosePrompter(terminal, process.env), background: false})
    this.runtime = runtime
    return {...runtime, reporter}
  }

  /** Prints a result in text mode; under --json the returned value is the one document on stdout. */
  protected async result<T>(value: T, text: (value: T) => string): Promise<T> {
    await this.reporter?.close('done')
    if (!this.jsonEnabled()) writeLine(process.stdout, text(value))
    return value
  }

  /** oclif's own would leave as they are the control characters that JSON allows. */
  protected override logJson(json: unknown): void {
    writeJson(process.stdout, json)
  }

  override async finally(error: Error | undefined): Promise<void> {
    await this.runtime?.links.end()
    await super.finally(error)
  }

  override async catch(error: unknown): Promise<void> {
    const failure = asJnodeError(error)
    await this.reporter?.close('failed')
    if (this.jsonEnabled()) this.logJson(errorDocument(failure))
    else writeLine(process.stderr, errorText(failure instanceof JnodeError ? failure : error, this.verbose))
    process.exitCode = exitCodeOf(failure)
  }
}

/** As without us: the process dies of the signal, and its parent can see that. */
function endAtOnce(name: NodeJS.Signals): void {
  process.removeAllListeners(name)
  process.kill(process.pid, name)
}

export function errorDocument(error: unknown): object {
  const {code, message, hint} = error instanceof JnodeError ? error : {code: 'unexpected', message: messageOf(error), hint: null}
  return {error: {code, message, hint}}
}

export function exitCodeOf(error: unknown): number {
  return error instanceof JnodeError ? EXIT_CODES[error.code] : EXIT_CODES.unexpected
}

/** oclif's own complaints about flags and arguments become ours, without its colours and its list of flags. */
export function asJnodeError(error: unknown): unknown {
  if (error instanceof JnodeError) return error
  if (!(error instanceof Errors.CLIError)) return error
  const [first, second] = error.message.replaceAll(/\u001B\[[0-9;]*m/g, '').split('\n').map((line) => line.trim())
  // Flags that exclude each other are told on the second line, below a heading.
  const message = /^The following errors? occurred:$/.test(first!) ? second! : first!
  return new JnodeError('usage', message, {hint: 'See more with --help.', cause: error})
}
