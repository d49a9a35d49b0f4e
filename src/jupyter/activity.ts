/**
 * What goes on in a server: for `jnode list`, and to end a session that nobody uses (`--idle`). It runs inside Jupyter, so that
 * it works with the laptop off and needs no program of the node's.
 *
 * Jupyter's own `cull_idle_timeout` and `shutdown_no_activity_timeout` end each kernel by itself, also in a session that is in
 * use, and an open browser tab keeps them from it: JupyterLab asks for its lists every few seconds, and each question counts.
 */
import {spokenDuration} from '../time.ts'

/** The file in the session's directory, written at most once a minute: `SECONDS busy|idle`, the time of the last activity by the node's clock. */
const ACTIVITY_FILE = 'activity'

export interface Activity {
  /** Milliseconds since 1970 by the node's clock: to show, never to compare. */
  at: number
  /** A cell runs, or a program in a terminal. */
  busy: boolean
}

/** The content of the activity file; null where there is none, or none that makes sense. */
export function parseActivity(text: string): Activity | null {
  const [, seconds, state] = /^(\d{1,12}) (busy|idle)\n?$/.exec(text) ?? []
  return seconds === undefined ? null : {at: Number(seconds) * 1000, busy: state === 'busy'}
}

/**
 * Python for the server's configuration. `idleSeconds`: how long without activity until the server ends itself; null for never.
 * A running cell and a program in the foreground of a terminal are activity, and so are changes: what a kernel says, what is
 * typed into a terminal, a file that is saved. Looking is none. Needs Notebook 5.3 or any Jupyter Server.
 *
 * Time is counted in ticks of which each has an upper limit, so that neither a suspension of the job nor a clock that is set
 * ends a session.
 */
export function activityPython(idleSeconds: number | null): string {
  const limit = idleSeconds === null ? 'None' : String(idleSeconds)
  const words = idleSeconds === null ? '' : `no activity for ${spokenDuration(idleSeconds * 1000)}`
  return `
import os, time

IDLE_LIMIT = ${limit}
TICK = 15.0 if IDLE_LIMIT is None else min(15.0, max(1.0, IDLE_LIMIT / 10.0))
WHY = "$private/why"
ACTIVITY = "$private/session/${ACTIVITY_FILE}"


# By the kernel's name.
HEARINGS = {}


def is_busy(app):
    kernels = app.kernel_manager
    there = {name: kernels.get_kernel(name) for name in list(kernels.list_kernel_ids())}
    for name in set(HEARINGS) - set(there):
        HEARINGS.pop(name).end()
    # All are heard, also when the first one is busy.
    if any([runs_a_cell(name, kernel) for name, kernel in there.items()]):
        return True
    terminals = getattr(app.web_app.settings.get("terminal_manager"), "terminals", {})
    return any(runs_a_program(terminal.ptyproc) for terminal in list(terminals.values()))


class Hearing:
    # What one process of a kernel says of itself. Jupyter's own state of it is not enough: each tab that is opened asks the kernel
    # something beside its cell, and then the state is "idle"; and what is said before a connection stands is not heard.

    def __init__(self, kernel, pid):
        from jupyter_client.session import Session

        self.kernel, self.pid = kernel, pid
        # By the type of what was asked: a word that is lost counts until the next of its kind.
        self.runs, self.asks, self.sure = {}, set(), False
        self.session = Session(config=kernel.session.config, key=kernel.session.key)
        self.iopub, self.shell = kernel.connect_iopub(), kernel.connect_shell()
        self.iopub.on_recv(self.hear_safely)
        self.shell.on_recv(lambda reply: self.later(self.ask))
        self.ask()

    def later(self, call):
        from tornado.ioloop import IOLoop

        IOLoop.current().call_later(0.2, call)

    def ask(self):
        # Answered after all cells that were sent before.
        if not self.sure and not self.shell.closed():
            self.asks.add(self.kernel.session.send(self.shell, "kernel_info_request")["header"]["msg_id"])

    def hear_safely(self, parts):
        try:
            self.hear(parts)
        except Exception:
            pass  # an error would leave the stream deaf for good

    def hear(self, parts):
        parts = self.session.feed_identities(parts)[1]
        if self.session.deserialize(parts, content=False)["header"]["msg_type"] != "status":
            return
        message = self.session.deserialize(parts)
        kind, name = (message["parent_header"].get(key) for key in ("msg_type", "msg_id"))
        state = message["content"]["execution_state"]
        if state == "busy":
            self.runs[kind] = name
        elif kind in self.runs and self.runs[kind] == name:
            del self.runs[kind]
        if state == "idle" and name in self.asks:
            self.sure = True

    def end(self):
        self.iopub.close()
        self.shell.close()


def runs_a_cell(name, kernel):
    pid = getattr(getattr(kernel, "provisioner", None) or getattr(kernel, "kernel", None), "pid", None)
    if pid is None:
        return getattr(kernel, "execution_state", None) in ("busy", "starting")
    hearing = HEARINGS.get(name)
    if hearing is None or hearing.pid != pid:
        if hearing is not None:
            hearing.end()
        hearing = HEARINGS[name] = Hearing(kernel, pid)
    return bool(hearing.runs) or not hearing.sure


def runs_a_program(process):
    try:
        return os.tcgetpgrp(process.fd) != process.pid
    except OSError:
        return False  # it has ended


def tell_activity(last, busy):
    try:
        with open(ACTIVITY + ".new", "w") as beside:
            beside.write("%d %s\\n" % (last.timestamp(), "busy" if busy else "idle"))
        os.replace(ACTIVITY + ".new", ACTIVITY)
    except OSError:
        pass  # a full home, or a session that is being removed


def watch_activity(app):
    seen = {"last": None, "busy": None, "idle": 0.0, "tick": time.monotonic(), "told": None, "ends": False}

    def tick():
        now, last, busy = time.monotonic(), app.web_app.last_activity(), is_busy(app)
        used = busy or seen["busy"] or last != seen["last"]
        seen["idle"] = 0.0 if used else seen["idle"] + min(now - seen["tick"], 2 * TICK)
        if (used or busy != seen["busy"]) and (seen["told"] is None or busy != seen["busy"] or now - seen["told"] >= 60):
            tell_activity(last, busy)
            seen["told"] = now
        seen.update(last=last, busy=busy, tick=now)
        if IDLE_LIMIT is not None and seen["idle"] >= IDLE_LIMIT and not seen["ends"]:
            seen["ends"] = True
            try:
                with open(WHY, "w") as why:
                    why.write("idle ${words}\\n")
            except OSError:
                pass  # a full disk
            signal.alarm(30)
            os.kill(os.getpid(), signal.SIGTERM)

    from tornado.ioloop import PeriodicCallback

    tick()
    PeriodicCallback(tick, 1000 * TICK).start()


def count_changes_only(handlers):
    note = handlers.APIHandler.update_api_activity

    def update_api_activity(self):
        if self.request.method not in ("GET", "HEAD", "OPTIONS"):
            note(self)

    handlers.APIHandler.update_api_activity = update_api_activity


def watch_from_the_start(app):
    start_timers = app.init_shutdown_no_activity

    def init_shutdown_no_activity(self):
        start_timers(self)
        watch_activity(self)

    app.init_shutdown_no_activity = init_shutdown_no_activity


for package, module, name in (("jupyter_server", "serverapp", "ServerApp"), ("notebook", "notebookapp", "NotebookApp")):
    app = getattr(sys.modules.get(package + "." + module), name, None)
    handlers = sys.modules.get(package + ".base.handlers")
    # This file is read under several names, each time into the same process.
    known = hasattr(app, "init_shutdown_no_activity") and hasattr(getattr(handlers, "APIHandler", None), "update_api_activity")
    if known and not hasattr(app, "jnode_watches"):
        app.jnode_watches = True
        watch_from_the_start(app)
        count_changes_only(handlers)
    elif app is not None and IDLE_LIMIT is not None and not known:
        sys.stderr.write("jnode: this Jupyter is too old for --idle; the session ends by its time limit only\\n")
`
}
