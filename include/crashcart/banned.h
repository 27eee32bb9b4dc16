/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that this project never calls.  The Makefile puts this header in
 * front of every file of ours (-include), so a use is a compile error that
 * names the function.  The system headers come first: they declare what is
 * banned below.
 */
#ifndef CRASHCART_BANNED_H
#define CRASHCART_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CART_BANNED(func) sorry_##func##_is_a_banned_function

/* no bound on what they write: use cart_buf, snprintf or memcpy */
#undef strcpy
#define strcpy(d, s) CART_BANNED(strcpy)
#undef stpcpy
#define stpcpy(d, s) CART_BANNED(stpcpy)
#undef strcat
#define strcat(d, s) CART_BANNED(strcat)
#undef strncpy
#define strncpy(d, s, n) CART_BANNED(strncpy)
#undef strncat
#define strncat(d, s, n) CART_BANNED(strncat)
#undef sprintf
#define sprintf(...) CART_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) CART_BANNED(vsprintf)
#undef gets
#define gets(s) CART_BANNED(gets)

/* hidden state, or not safe with threads */
#undef strtok
#define strtok(s, d) CART_BANNED(strtok)
#undef strerror
#define strerror(e) CART_BANNED(strerror)
#undef asctime
#define asctime(t) CART_BANNED(asctime)
#undef ctime
#define ctime(t) CART_BANNED(ctime)
#undef gmtime
#define gmtime(t) CART_BANNED(gmtime)

/* read /etc/localtime or $TZ of the suspect host */
#undef localtime
#define localtime(t) CART_BANNED(localtime)
#undef localtime_r
#define localtime_r(t, r) CART_BANNED(localtime_r)
#undef mktime
#define mktime(t) CART_BANNED(mktime)

/* no error report: use the strict number reader */
#undef atoi
#define atoi(s) CART_BANNED(atoi)
#undef atol
#define atol(s) CART_BANNED(atol)
#undef atoll
#define atoll(s) CART_BANNED(atoll)
#undef atof
#define atof(s) CART_BANNED(atof)

/* run programs of the suspect host */
#undef system
#define system(c) CART_BANNED(system)
#undef popen
#define popen(c, m) CART_BANNED(popen)

/* races and guessable names */
#undef mktemp
#define mktemp(t) CART_BANNED(mktemp)
#undef tmpnam
#define tmpnam(s) CART_BANNED(tmpnam)

#endif
