/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_SANDBOX_H
#define CRASHCART_SANDBOX_H

#define CART_SANDBOX_TEXT_SIZE 64

/*
 * For commands that read what an enemy wrote: from here on this process makes no
 * socket, starts no program, and neither makes, writes nor removes a file but
 * below one folder.  In two layers, each where the kernel has it: Landlock (5.13)
 * knows paths; seccomp (3.17) allows the system calls of a list and no other:
 * no signal to another process, no other user, no mount, no shared memory, no
 * input put into a terminal, no times, modes or attributes of a file by its
 * path.  Descriptors that are open stay as they are.  What is refused fails with
 * EACCES or EPERM; ENOSYS if it is younger than Linux 5.1.
 *
 * Call it before the first thread, when arguments, keys and passwords are read.
 * writable: where output goes, a folder that is there, or NULL: nowhere.  Never
 * fails: ret_text says what there is, "landlock 7, seccomp", or "none" on an old
 * kernel.  A sanitizer's program has no seccomp, which its leak check cannot
 * bear.
 */
void cart_sandbox_enter(const char *writable,
			char ret_text[CART_SANDBOX_TEXT_SIZE]);

#endif
