/** Why a server did not start, from its log: known sentences of Jupyter, Python, conda and shells. */

export type FailureReason =
  | 'command-missing'
  | 'subcommand-missing'
  | 'module-missing'
  | 'conda-not-initialised'
  | 'conda-env-missing'
  | 'port-taken'
  | 'port-denied'
  | 'sock-taken'
  | 'bind-address'
  | 'host-unresolved'
  | 'root'
  | 'bad-config'
  | 'file-missing'
  | 'runtime-dir'
  | 'secure-file'
  | 'disk-full'
  | 'memory'

export interface LogFailure {
  reason: FailureReason
  /** The port, program, module or environment that the sentence names. */
  subject: string | null
  /** The line that says so. */
  text: string
}

/**
 * In order of how much they explain. Exceptions count at the beginning of a line only: indented ones belong to a
 * warning (a broken Python configuration, an extension that does not load) after which Jupyter goes on.
 */
const SENTENCES: [FailureReason, RegExp][] = [
  ['conda-not-initialised', /^CommandNotFoundError: Your shell has not been properly configured to use 'conda/],
  ['conda-env-missing', /^EnvironmentNameNotFound: Could not find conda environment: (\S+)/],
  ['subcommand-missing', /^Jupyter command `jupyter-(\S+)` not found/],
  ['subcommand-missing', /^Error executing Jupyter command '([^']+)'/],
  ['command-missing', /(?:^|[\s/])(jupyter[\w-]*): (?:command )?not found\.?$/i],
  ['command-missing', /command not found: (jupyter\S*)$/],
  ['command-missing', /Unknown command:? (jupyter\S*)/],
  ['root', /Running as root is not recommended/],
  ['bad-config', /Bad config encountered during initialization/],
  ['sock-taken', /The socket (\S+) is already in use/],
  ['port-denied', /Permission to listen on (?:port|sock) (\S+) denied/],
  ['port-taken', /could not be started because port (\d+) is not available/],
  ['port-taken', /could not be started because no available port could be found/],
  ['file-missing', /^\[C [^\]]*\] No such file or directory: (.+)$/],
  ['secure-file', /^RuntimeError: Permissions assignment failed for secure file: '([^']+)'/],
  ['disk-full', /^(?:OSError|IOError): \[Errno (?:28|122)\]/],
  ['memory', /^(?:[\w.]*MemoryError\b|OSError: \[Errno 12\]|terminate called after throwing an instance of 'std::bad_alloc')|: Cannot allocate memory$/],
  ['host-unresolved', /^(?:socket\.)?gaierror: /],
  ['bind-address', /^(?:OSError|socket\.error): \[Errno 99\]/],
  ['runtime-dir', /^(?:PermissionError|OSError): \[Errno 13\] Permission denied: '([^']+)'/],
  ['module-missing', /^(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)/],
  ['module-missing', /python[\d.]*: No module named ([\w.]+)/],
]

/** The failure that `lines` tell of, or null. Whether the server really ended is for others to know. */
export function failureIn(lines: readonly string[]): LogFailure | null {
  for (const [reason, pattern] of SENTENCES) {
    for (const line of lines) {
      const match = pattern.exec(line)
      if (match !== null) return {reason, subject: match[1] ?? null, text: line.trim()}
    }
  }
  return null
}
