"""System call numbers by name of what a guest may call, for each machine; what is not here, no guest may call."""

from __future__ import annotations

_X86_64 = """
    read=0 write=1 close=3 fstat=5 lseek=8 mmap=9 munmap=11 mprotect=10 brk=12 rt_sigaction=13 rt_sigprocmask=14
    rt_sigreturn=15 sigaltstack=131 pread64=17 pwrite64=18 readv=19 writev=20 preadv=295 pwritev=296 preadv2=327
    pwritev2=328 access=21 faccessat=269 faccessat2=439 pipe=22 pipe2=293 select=23 pselect6=270 poll=7
    ppoll=271 sched_yield=24 mremap=25 msync=26 mincore=27 madvise=28 dup=32 dup2=33 dup3=292 nanosleep=35
    clock_nanosleep=230 getitimer=36 alarm=37 setitimer=38 pause=34 getpid=39 sendfile=40 shutdown=48 sendto=44
    recvfrom=45 sendmsg=46 recvmsg=47 getsockname=51 getpeername=52 setsockopt=54 getsockopt=55 exit=60
    exit_group=231 uname=63 flock=73 fsync=74 fdatasync=75 ftruncate=77 getdents64=217 getcwd=79 chdir=80
    fchdir=81 rename=82 mkdir=83 rmdir=84 link=86 unlink=87 symlink=88 readlink=89 umask=95 gettimeofday=96
    getrlimit=97 getrusage=98 sysinfo=99 times=100 getuid=102 getgid=104 geteuid=107 getegid=108 getppid=110
    getpgrp=111 getpgid=121 getsid=124 getgroups=115 getresuid=118 getresgid=120 rt_sigpending=127
    rt_sigtimedwait=128 rt_sigsuspend=130 statfs=137 fstatfs=138 getpriority=140 arch_prctl=158 gettid=186
    time=201 futex=202 sched_getaffinity=204 sched_getparam=143 sched_getscheduler=145
    sched_get_priority_max=146 sched_get_priority_min=147 set_tid_address=218 set_robust_list=273
    get_robust_list=274 fadvise64=221 clock_gettime=228 clock_getres=229 epoll_create=213 epoll_create1=291
    epoll_ctl=233 epoll_wait=232 epoll_pwait=281 stat=4 lstat=6 newfstatat=262 mkdirat=258 unlinkat=263
    renameat=264 renameat2=316 linkat=265 symlinkat=266 readlinkat=267 fallocate=285 eventfd=284 eventfd2=290
    timerfd_create=283 timerfd_settime=286 timerfd_gettime=287 getrandom=318 statx=332 copy_file_range=326
    rseq=334 getcpu=309 membarrier=324 close_range=436 restart_syscall=219 wait4=61 waitid=247 getxattr=191
    lgetxattr=192 fgetxattr=193 listxattr=194 llistxattr=195 flistxattr=196 sync_file_range=277 ioctl=16
    fcntl=72 socketpair=53 socket=41 connect=42 clone=56 kill=62 tgkill=234 tkill=200 prlimit64=302 prctl=157
    open=2 openat=257 chmod=90 fchmod=91 fchmodat=268 fchmodat2=452 utime=132 utimes=235 futimesat=261
    utimensat=280 truncate=76
"""

_AARCH64 = """
    read=63 write=64 close=57 fstat=80 lseek=62 mmap=222 munmap=215 mprotect=226 brk=214 rt_sigaction=134
    rt_sigprocmask=135 rt_sigreturn=139 sigaltstack=132 pread64=67 pwrite64=68 readv=65 writev=66 preadv=69
    pwritev=70 preadv2=286 pwritev2=287 faccessat=48 faccessat2=439 pipe2=59 pselect6=72 ppoll=73
    sched_yield=124 mremap=216 msync=227 mincore=232 madvise=233 dup=23 dup3=24 nanosleep=101
    clock_nanosleep=115 getitimer=102 setitimer=103 getpid=172 sendfile=71 shutdown=210 sendto=206 recvfrom=207
    sendmsg=211 recvmsg=212 getsockname=204 getpeername=205 setsockopt=208 getsockopt=209 exit=93 exit_group=94
    uname=160 flock=32 fsync=82 fdatasync=83 ftruncate=46 getdents64=61 getcwd=17 chdir=49 fchdir=50 umask=166
    gettimeofday=169 getrlimit=163 getrusage=165 sysinfo=179 times=153 getuid=174 getgid=176 geteuid=175
    getegid=177 getppid=173 getpgid=155 getsid=156 getgroups=158 getresuid=148 getresgid=150 rt_sigpending=136
    rt_sigtimedwait=137 rt_sigsuspend=133 statfs=43 fstatfs=44 getpriority=141 gettid=178 futex=98
    sched_getaffinity=123 sched_getparam=121 sched_getscheduler=120 sched_get_priority_max=125
    sched_get_priority_min=126 set_tid_address=96 set_robust_list=99 get_robust_list=100 fadvise64=223
    clock_gettime=113 clock_getres=114 epoll_create1=20 epoll_ctl=21 epoll_pwait=22 newfstatat=79 mkdirat=34
    unlinkat=35 renameat=38 renameat2=276 linkat=37 symlinkat=36 readlinkat=78 fallocate=47 eventfd2=19
    timerfd_create=85 timerfd_settime=86 timerfd_gettime=87 getrandom=278 statx=291 copy_file_range=285 rseq=293
    getcpu=168 membarrier=283 close_range=436 restart_syscall=128 wait4=260 waitid=95 getxattr=8 lgetxattr=9
    fgetxattr=10 listxattr=11 llistxattr=12 flistxattr=13 sync_file_range=84 ioctl=29 fcntl=25 socketpair=199
    socket=198 connect=203 clone=220 kill=129 tgkill=131 tkill=130 prlimit64=261 prctl=167 openat=56 fchmod=52
    fchmodat=53 fchmodat2=452 utimensat=88 truncate=45
"""

_PROCESSES = {
    "x86_64": "fork=57 vfork=58 execve=59 setsid=112 setpgid=109",
    "aarch64": "execve=221 setsid=157 setpgid=154",
}
"""What a guest may call beside those if it may start other programs."""


def _table(text: str) -> dict[str, int]:
    return {name: int(number) for name, number in (pair.split("=") for pair in text.split())}


def numbers(machine: str, *, processes: bool = False) -> dict[str, int]:
    """The table of *machine*; with *processes* for a guest that may start some. KeyError for an unknown machine."""
    table = _table({"x86_64": _X86_64, "aarch64": _AARCH64}[machine])
    return table | _table(_PROCESSES[machine]) if processes else table
