"""terminal.py ROWS COLUMNS COMMAND...: runs a command in a terminal of its own. What it draws goes to stdout, what comes on stdin is typed, a line at a time.

The line "^C" is Ctrl-C; "@TEXT" waits until TEXT has been drawn since the line before. Ends with the command's status.
"""
import fcntl, os, pty, select, struct, sys, termios

drawn = b""
rows, columns = int(sys.argv[1]), int(sys.argv[2])
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.execvp(sys.argv[3], sys.argv[3:])


def pump(seconds):
    """What is drawn within this time; None at the end."""
    ready, _, _ = select.select([terminal], [], [], seconds)
    if not ready:
        return b""
    try:
        data = os.read(terminal, 65536)
    except OSError:  # Linux: the other end is gone
        return None
    if not data:
        return None
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return data


ended = False
for line in sys.stdin.buffer.read().split(b"\n"):
    if line.startswith(b"@"):
        while not ended and line[1:] not in drawn:
            data = pump(1)
            ended = data is None
            drawn += data or b""
        drawn = drawn.split(line[1:], 1)[-1]
    elif line == b"^C":
        os.write(terminal, b"\x03")
    elif line:
        os.write(terminal, line + b"\r")
while not ended:
    ended = pump(1) is None
_, status = os.waitpid(pid, 0)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
