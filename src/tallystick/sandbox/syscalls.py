"""Which system calls a sandboxed program may make: those that a Python program computing alone needs, and no other.

Everything not named is refused with EPERM, so a call that a later kernel adds is refused too. Without `socket` there is
no network even where a namespace failed to hide one; without `fork`, and with `clone` for threads alone, no program
multiplies: memory bounds its threads. `clone3` answers ENOSYS, since its flags lie behind a pointer that no filter can
read, and libc then asks `clone`.
"""

from __future__ import annotations

import errno
from functools import cache
from tempfile import TemporaryFile
from typing import Final

import pyseccomp

_CLONE_THREAD: Final = 0x10000

_FILES: Final = """
access faccessat faccessat2 open openat close close_range read readv pread64 preadv write writev pwrite64 pwritev lseek
stat lstat fstat newfstatat statx statfs fstatfs getdents64 getcwd chdir fchdir readlink readlinkat
mkdir mkdirat rmdir rename renameat renameat2 unlink unlinkat truncate ftruncate fallocate fadvise64 fsync fdatasync
chmod fchmod fchmodat umask utimensat flock fcntl dup dup2 dup3 pipe pipe2 ioctl copy_file_range sendfile memfd_create
poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2
"""
_MEMORY: Final = "brk mmap munmap mremap mprotect madvise mincore msync get_mempolicy membarrier"
_SELF: Final = """
execve exit exit_group rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait sigaltstack restart_syscall tgkill
getpid gettid getppid getpgrp getpgid getsid getuid geteuid getgid getegid getgroups getresuid getresgid capget
arch_prctl prctl prlimit64 getrlimit getrusage times uname sysinfo getcpu wait4 waitid
futex set_robust_list get_robust_list set_tid_address rseq sched_yield sched_getaffinity sched_setaffinity
sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
"""
_TIME_AND_CHANCE: Final = "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom"

ALLOWED: Final = frozenset(" ".join((_FILES, _MEMORY, _SELF, _TIME_AND_CHANCE)).split())


@cache
def program() -> bytes:
    """Return the filter as the kernel takes it, compiled for this machine's processor.

    Names that this processor's kernel has not (`open` on arm64) are left out; a call through another processor's
    convention kills the program.
    """
    allowed = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    for name in sorted(ALLOWED):
        if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) >= 0:
            allowed.add_rule(pyseccomp.ALLOW, name)
    threads_only = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _CLONE_THREAD, _CLONE_THREAD)
    allowed.add_rule(pyseccomp.ALLOW, "clone", threads_only)
    allowed.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    with TemporaryFile() as file:
        allowed.export_bpf(file)
        file.seek(0)
        return file.read()
