/**
 * How a way to the server that needs help on the node is opened while the job runs. jnode adds a line to the session's
 * `legs` file, `start NAME` or `end NAME`; Jupyter, which looks at it every second, runs the program NAME.py beside it
 * with its own Python, and the program tells in the record what came of it. Nothing runs where nothing is asked for.
 * (The file is there from the start and only grows: NFS may know for half a minute nothing of a file that is new.)
 */

/** Python for Jupyter's configuration; `$private` is the job script's variable. Runs under Python 2.7 as well. */
export const FOLLOW_LEGS = `

def follow_legs(private):
    import fcntl, io, os, subprocess, threading, time

    # A Jupyter that is started in a terminal of this one reads this file, too.
    lock = open(private + "/legs.lock", "a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (IOError, OSError):
        return
    session = os.path.realpath(private + "/session")
    legs = {}

    def look():
        with io.open(session + "/legs", encoding="utf-8") as file:
            lines = file.read().split("\\n")[:-1]
        for line in lines:
            verb, name = line.split(" ", 1)
            if verb == "start" and name not in legs:
                legs[name] = subprocess.Popen([sys.executable, "%s/%s.py" % (session, name), private], stdin=subprocess.PIPE, close_fds=True)
            elif verb == "end" and legs.get(name) and not legs[name].stdin.closed:
                legs[name].stdin.close()
        for leg in legs.values():
            leg.poll()

    def follow():
        while not lock.closed:
            try:
                look()
            except Exception:
                pass  # a file system may be away for a while
            time.sleep(1)

    thread = threading.Thread(target=follow)
    thread.daemon = True
    thread.start()


follow_legs("$private")`
