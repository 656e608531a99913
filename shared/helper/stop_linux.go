package helper

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stopBy stops this process with a signal, so that a shell shows the same status as
// without the helper. It returns when the process is continued.
//
// The Go runtime cannot restore the default action of SIGTSTP, so this calls the kernel.
// An action of zeros is SIG_DFL on all architectures. The signal is sent to this thread,
// so that it takes effect before the action is restored.
func stopBy(n syscall.Signal) {
	var standard, old [16]uintptr // larger than the kernel's structure
	const maskSize = 8
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if n == unix.SIGTSTP || n == unix.SIGTTIN || n == unix.SIGTTOU {
		_, _, e := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(&standard)), uintptr(unsafe.Pointer(&old)), maskSize, 0, 0)
		if e == 0 {
			_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), n)
			_, _, _ = syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(&old)), 0, maskSize, 0, 0)
			return
		}
	}
	_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
}
