/**
 * What our Jupyter configuration pins, so that the user's own settings can neither open the server nor break it.
 * It stands in front of JUPYTER_CONFIG_PATH, which beats ~/.jupyter in Notebook 6 and in every Jupyter Server
 * (the environment does not: `c.ServerApp.token = ''` in a file beats JUPYTER_TOKEN).
 */

import {activityPython} from './activity.ts'
import {PRIVATE_KERNELS} from './private-kernels.ts'
import {FOLLOW_LEGS} from './legs.ts'

/** The header by which our server is known before it is shown the token. */
export const PROOF_HEADER = 'X-Jnode-Session'

/** `$token`, `$proof`, `$private` are the job script's variables: plain words that need no JSON escapes. */
const pins = {
  ip: '127.0.0.1',
  // Stands for "none given", since Jupyter refuses a port beside a socket; one that knows no sockets takes it, or the next.
  port: 8888,
  port_retries: 50,
  base_url: '/',
  token: '$token',
  password: '',
  password_required: false,
  allow_password_change: false,
  cookie_secret_file: '$private/runtime/cookie_secret',
  cookie_options: {},
  get_secure_cookie_kwargs: {},
  certfile: '',
  keyfile: '',
  client_ca: '',
  ssl_options: {},
  allow_origin: '',
  allow_origin_pat: '',
  allow_credentials: false,
  allow_remote_access: false,
  local_hostnames: ['localhost'],
  disable_check_xsrf: false,
  trust_xheaders: false,
  open_browser: false,
  file_to_run: '',
  custom_display_url: '',
  websocket_url: '',
  // Sent with every answer, also with those that need no token.
  tornado_settings: {headers: {[PROOF_HEADER]: '$proof'}},
}

/** Where Jupyter Server 2 keeps what ServerApp had. */
const identity = {token: '$token', cookie_options: {}, secure_cookie: null, get_secure_cookie_kwargs: {}}
const password = {...identity, hashed_password: '', password_required: false, allow_password_change: false}

export interface ServerPlace {
  /** Start in the job's working directory whatever the user's settings say. */
  pinDirectory: boolean
  /** Without activity for so long the server ends itself; null: never. */
  idleSeconds: number | null
  kernelTransport: 'ipc' | 'tcp'
}

/**
 * Shell that writes the configuration below "$private/config" for the programs `names` (`lab`, ...).
 *
 * The pins stand under several names: a class reads its own section first and then its parents', and JupyterLab
 * and Notebook 7 move what they find under NotebookApp and under their own name to ServerApp, where it would win.
 *
 * Pins are JSON, because Jupyter refuses to start with broken JSON but starts without a broken Python file.
 */
export function configShell(names: readonly string[], {pinDirectory, idleSeconds, kernelTransport}: ServerPlace): string {
  const socket = {sock: '$private/sock', sock_mode: '0600'}
  const server = {...socket, identity_provider_class: 'jupyter_server.auth.identity.PasswordIdentityProvider'}
  // Jupyter makes "." absolute: the directory that the job has entered.
  const place = pinDirectory ? {root_dir: '.', preferred_dir: '.'} : {}
  const classic = pinDirectory ? `'$pins',\n${members({notebook_dir: '.'})}` : "'$pins'"
  const isPrivate = kernelTransport === 'ipc'
  return `pins='${members(pins)}'
config='{
"ServerApp": {'$pins',
${members({...server, ...place})}},
"NotebookApp": {${classic}},
"LabApp": {'$pins'},
"JupyterNotebookApp": {'$pins'},
"ExtensionApp": {"open_browser": false},${isPrivate ? '\n"KernelManager": {"transport": "ipc"},' : ''}
"IdentityProvider": {
${members(identity)}},
"PasswordIdentityProvider": {
${members(password)}}
}'
python='${inQuotes(pythonConfig(JSON.stringify(socket)) + activityPython(idleSeconds) + (isPrivate ? PRIVATE_KERNELS : '') + FOLLOW_LEGS)}'
for name in ${names.join(' ')}; do
  printf '%s\\n' "$config" >"$private/config/jupyter_\${name}_config.json" &&
    printf '%s\\n' "$python" >"$private/config/jupyter_\${name}_config.py" || finish no-space 1 "cannot write to $private"
done`
}

/** The members of a JSON object, one on a line, as the inside of single quotes. */
function members(object: object): string {
  const lines = Object.entries(object).map(([key, value]) => `"${key}": ${JSON.stringify(value)}`)
  return inQuotes(lines.join(',\n'))
}

/** Text for the inside of single quotes, with the job's variables put in. */
function inQuotes(text: string): string {
  return text.replaceAll("'", `'\\''`).replace(/\$(?:token|proof|private)\b/g, "'$&'")
}

/** What JSON cannot say. `socket`: the settings that place the socket, as JSON, which reads alike in Python. */
function pythonConfig(socket: string): string {
  return `import logging, signal, sys

# A shell leaves these ignored in what it starts with "&", and kernels would inherit that:
# a running cell could not be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

# Grid Engine's warnings (USR1, USR2) go to every process of the job. The job has them ignored, which kernels
# inherit; but Jupyter takes USR1 to print its status, and then it would kill the kernels.
def ignore_usr1(app):
    take_signals = app.init_signal

    def init_signal(self):
        take_signals(self)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    app.init_signal = init_signal


for module, name in (("jupyter_server.serverapp", "ServerApp"), ("notebook.notebookapp", "NotebookApp")):
    app = getattr(sys.modules.get(module), name, None)
    if hasattr(app, "init_signal"):
        ignore_usr1(app)

# Where a setting under an old name is moved to a Jupyter Server that does not know it, that is fatal;
# and before 1.9 it knew no sockets.
serverapp = sys.modules.get("jupyter_server.serverapp")
if serverapp is None or hasattr(serverapp.ServerApp, "sock"):
    for name in ("NotebookApp", "LabApp", "JupyterNotebookApp"):
        get_config()[name].update(${socket})


class Quiet(logging.Filter):
    """Drops a hundred warnings: our pins stand under old names, too."""

    def filter(self, record):
        text = str(record.msg)
        return not ("has moved from" in text or "config is deprecated in 2.0" in text)


for name in ("ServerApp", "LabApp", "JupyterNotebookApp", "NotebookApp"):
    logging.getLogger(name).addFilter(Quiet())`
}
