// What Swift cannot import from Linux's headers by itself, each with its reason:
// headers that the Glibc module leaves out, function-like macros (CMSG_*), GNU-only functions, variadic
// functions. Nothing here decides anything. _GNU_SOURCE is defined in the .c file only: in an imported
// header it would change the layout of types that Swift's own Glibc module has seen already.
#pragma once
#include <linux/filter.h>
#include <net/if_arp.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netpacket/packet.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/un.h>

// CMSG_* are macros: one control message of a received datagram at a time. Returns the payload of the first
// control message with this level and type and its length, or NULL.
static inline const void *qure_control_message(struct msghdr *message, int level, int type, size_t *length) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == level && c->cmsg_type == type) {
            *length = c->cmsg_len - CMSG_LEN(0);
            return CMSG_DATA(c);
        }
    return NULL;
}

// Variadic in glibc: prctl(PR_CAPBSET_READ …) and the raw system calls without a wrapper in glibc 2.36.
int qure_pidfd_open(pid_t pid);

// The effective capabilities of this process (capget has no glibc wrapper). Returns 0 and fills the low
// 64 bits, or -1 with errno.
int qure_effective_capabilities(uint64_t *capabilities);

// GNU-only: a pipe whose ends are closed on exec.
int qure_pipe_cloexec(int descriptors[2]);

// The guard of a claim: a forked twin that does one thing when its parent is gone, however it went.
// It waits for the end of the pipe whose other end only the parent holds, then sends the prepared netlink
// requests, one after the other, on a route netlink socket of its own, and exits. After fork it calls async-signal-safe
// functions only and keeps no descriptor of the parent but that pipe. In C because a forked child of a Swift
// process must not run Swift. Returns the child's pid, or -1 with errno.
// `messages` is `length` bytes: netlink messages, aligned, one behind the other. A single byte on the pipe
// before its end is the order to leave without sending anything.
pid_t qure_fork_guard(int pipe_end, const void *messages, size_t length);
