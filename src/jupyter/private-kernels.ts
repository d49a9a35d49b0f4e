/**
 * Kernels that no other user of the node can listen to. By default a kernel listens on five TCP ports of 127.0.0.1, and what it
 * prints (iopub) goes to whoever connects, without login or encryption. Unix sockets in a private directory take their place.
 */

/** How long a kernel may take to open its sockets: R from a busy network file system is slow. */
const OPEN_WITHIN_SECONDS = 60

/**
 * Python for the server's configuration, beside the pin of `KernelManager.transport`. `$private` is the job script's variable.
 * Needs jupyter_client 5 or later, as every Jupyter that jnode starts has.
 *
 * `ip` is where the sockets go. By default it follows from the connection file, but a user's own `KernelManager.ip`, meant for
 * TCP, would give all kernels the same sockets; and a manager without a connection file (nbconvert inside the server) would put
 * them into the working directory.
 */
export const PRIVATE_KERNELS = `

# Old versions of some kernels (IRkernel) take the place of their sockets for the name of a host, and never answer.
def look_for_sockets(manager, looks=${OPEN_WITHIN_SECONDS / 2}):
    from tornado.ioloop import IOLoop

    def look():
        # None were given to a kernel that runs elsewhere, or was never started.
        if not any(manager.ports) or any(os.path.exists("%s-%s" % (manager.ip, port)) for port in manager.ports):
            return
        if looks > 1:
            return look_for_sockets(manager, looks - 1)
        sys.stderr.write("jnode: the kernel %s did not open its private sockets (ipc)\\n" % manager.kernel_name)
        try:
            with open("$private/session/record", "a") as record:
                record.write("silent-kernel %s\\n" % manager.kernel_name)
        except (IOError, OSError):
            pass  # a full home, or a session that is being removed

    IOLoop.current().call_later(2, look)


def keep_kernels_private():
    import uuid
    from jupyter_client.manager import KernelManager

    if hasattr(KernelManager, "jnode_private"):
        return
    KernelManager.jnode_private = True
    make = KernelManager.__init__

    def __init__(self, *args, **kwargs):
        make(self, *args, **kwargs)
        stem = os.path.splitext(self.connection_file)[0] if self.connection_file else "$private/runtime/kernel-%s" % uuid.uuid4()
        self.transport, self.ip = "ipc", stem + "-ipc"
        try:
            look_for_sockets(self)
        except Exception:
            pass  # no event loop in this thread: then nobody is told

    KernelManager.__init__ = __init__


keep_kernels_private()
`
