"""Which system calls a sandboxed program may make: those that a Python program computing alone needs, and no other.

Everything not named is refused with EPERM, so a call that a later kernel adds is refused too. Without `socket` there is
no network even where a namespace failed to hide one; without `fork` and `clone` a program neither multiplies nor has
threads, whose kernel memory no limit bounds. Without `setsid`, `setpgid` and `prctl` it cannot leave what kills it;
without `memfd_create` all that it writes is in its own folder; `ioctl` asks what kind of file it is, and no more.
"""

from __future__ import annotations

import errno
import os
import termios
from functools import cache
from typing import Final

from tallystick.core.errors import Unavailable

_FILES: Final = """
access faccessat faccessat2 open openat close close_range read readv pread64 preadv write writev pwrite64 pwritev lseek
stat lstat fstat newfstatat statx statfs fstatfs getdents64 getcwd chdir fchdir readlink readlinkat
mkdir mkdirat rmdir rename renameat renameat2 unlink unlinkat truncate ftruncate fallocate fadvise64 fsync fdatasync
chmod fchmod fchmodat umask utimensat flock fcntl dup dup2 dup3 pipe pipe2 copy_file_range sendfile
poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2
"""
_MEMORY: Final = "brk mmap munmap mremap mprotect madvise msync get_mempolicy membarrier"
_SELF: Final = """
execve exit exit_group rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait sigaltstack restart_syscall tgkill
getpid gettid getppid getpgrp getpgid getsid getuid geteuid getgid getegid getgroups getresuid getresgid capget
arch_prctl prlimit64 getrlimit getrusage times uname sysinfo getcpu wait4 waitid
futex set_robust_list get_robust_list set_tid_address rseq sched_yield sched_getaffinity sched_setaffinity
sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
"""
_TIME_AND_CHANCE: Final = "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom"

ALLOWED: Final = frozenset(" ".join((_FILES, _MEMORY, _SELF, _TIME_AND_CHANCE)).split())
_QUESTIONS: Final = ("TCGETS", "TIOCGWINSZ", "FIOCLEX", "FIONCLEX", "FIONBIO")


@cache
def program() -> bytes:
    """Return the filter as the kernel takes it, compiled for this machine's processor.

    Names that this processor's kernel has not (`open` on arm64) are left out; a call through another processor's
    convention kills the program.
    raises  Unavailable "sandbox.absent" where libseccomp is not installed
    """
    try:
        import pyseccomp
    except (ModuleNotFoundError, RuntimeError) as error:  # RuntimeError: the package is there, its C library is not
        raise Unavailable(
            "sandbox.absent",
            f"nothing can be run in the sandbox: {error}",
            hint='pip install "tallystick[agents]", and the system package libseccomp2',
        ) from None
    allowed = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    for name in sorted(ALLOWED):
        if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) >= 0:
            allowed.add_rule(pyseccomp.ALLOW, name)
    for question in _QUESTIONS:
        allowed.add_rule(pyseccomp.ALLOW, "ioctl", pyseccomp.Arg(1, pyseccomp.EQ, getattr(termios, question)))
    with os.fdopen(os.memfd_create("filter"), "w+b") as file:
        allowed.export_bpf(file)
        file.seek(0)
        return file.read()
