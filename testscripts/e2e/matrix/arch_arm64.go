//go:build linux

package main

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// olderCalls are system calls that only some architectures have. This one has none.
var olderCalls map[uintptr]kind

const (
	ntPRStatus      = 1     // NT_PRSTATUS: the general registers
	ntARMSystemCall = 0x404 // NT_ARM_SYSTEM_CALL: the number of the system call
)

// skipCall makes the kernel skip the system call that the thread is entering.
func skipCall(tid int) error {
	none := int32(-1)
	iov := unix.Iovec{Base: (*byte)(unsafe.Pointer(&none)), Len: uint64(unsafe.Sizeof(none))}
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SETREGSET, uintptr(tid), ntARMSystemCall, uintptr(unsafe.Pointer(&iov)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// setResult replaces the result of the system call that the thread is leaving.
func setResult(tid int, errno syscall.Errno) error {
	var r unix.PtraceRegsArm64
	if err := unix.PtraceGetRegSetArm64(tid, ntPRStatus, &r); err != nil {
		return err
	}
	r.Regs[0] = -uint64(errno)
	return unix.PtraceSetRegSetArm64(tid, ntPRStatus, &r)
}
