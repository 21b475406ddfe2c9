// What Swift cannot import from Linux's headers by itself, each with its reason:
// headers that the Glibc module leaves out, function-like macros (CMSG_*), GNU-only functions, variadic
// functions. Nothing here decides anything. _GNU_SOURCE is defined in the .c file only: in an imported
// header it would change the layout of types that Swift's own Glibc module has seen already.
#pragma once
#include <linux/filter.h>
#include <malloc.h>
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
#include <string.h>
#include <time.h>

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

// struct timespec belongs to several of Swift's own modules, and which one it is seen from changes from build to
// build: so its fields are read and set here. The time of a clock, and the one that lies at `stamp`, in nanoseconds.
static inline int64_t qure_clock_nanoseconds(clockid_t clock) {
    struct timespec time = {0, 0};
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}
static inline int64_t qure_stamp_nanoseconds(const void *stamp) {
    struct timespec time;
    memcpy(&time, stamp, sizeof time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// Sets a timer to an absolute time of its clock, in nanoseconds; 0 disarms it.
static inline int qure_arm_timer(int timer, int64_t nanoseconds) {
    struct itimerspec setting = {{0, 0}, {nanoseconds / 1000000000, nanoseconds % 1000000000}};
    return timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, NULL);
}

// Variadic in glibc: prctl(PR_CAPBSET_READ …) and the raw system calls without a wrapper in glibc 2.36.
int qure_pidfd_open(pid_t pid);

// The effective capabilities of this process (capget has no glibc wrapper). Returns 0 and fills the low
// 64 bits, or -1 with errno.
int qure_effective_capabilities(uint64_t *capabilities);

// GNU-only: moves the calling thread into the network namespace that `descriptor` is of (setns). For the lab, whose
// one process looks at several hosts. Returns 0, or -1 with errno.
int qure_enter_network(int descriptor);

// Closes a descriptor whose closing takes long, without waiting for that: the kernel makes whoever closes a packet
// socket wait until every processor has let go of it (some 10 ms), and a process is not over for its parent before. An
// io_uring that holds the descriptor is taken down by a worker of the kernel's instead. Where there is none (an old
// kernel, a container, a filter of system calls) the descriptor is closed as usual.
void qure_close_in_background(int descriptor);

// Control messages both ways are macros. One read from a socket of a Unix domain, without waiting, with the descriptors
// that came along (at most `capacity`; others are closed), closed on exec. Returns what
// recvmsg does and fills `count`.
ssize_t qure_receive_descriptors(int socket, void *buffer, size_t length, int *descriptors, size_t capacity,
                                 size_t *count);

// One write with a descriptor, for the lab's logind.
ssize_t qure_send_descriptor(int socket, const void *bytes, size_t length, int descriptor);

// GNU-only: a pipe whose ends are closed on exec.
int qure_pipe_cloexec(int descriptors[2]);

// How many bytes of a pipe nobody has read yet, asked at either end; -1: it is no pipe. (ioctl is variadic.)
int qure_unread_in_pipe(int descriptor);

// What a guard sends when its parent is gone: whole netlink messages, one behind the other, for the two families.
struct qure_guard_orders {
    const unsigned char *route;
    size_t route_length;
    const unsigned char *filter;
    size_t filter_length;
};

// The guard of a claim: a forked twin that does one thing when its parent is gone, however it went.
// It waits for the end of the pipe whose other end only the parent holds, then sends the prepared netlink
// requests on sockets of its own, and exits. After fork it calls async-signal-safe
// functions only and keeps no descriptor of the parent but that pipe. In C because a forked child of a Swift
// process must not run Swift. Returns the child's pid, or -1 with errno. A parent that no longer wants it kills it.
pid_t qure_fork_guard(int pipe_end, const struct qure_guard_orders *orders);

// A command of a user's, run by `sh -c` in a process group of its own: no signal blocked or ignored, ordinary
// scheduling, standard input from /dev/null, standard output to the descriptor `output`, every other one closed.
// Forked and not spawned: a parent that must not wait goes on at once, even where the disk that /bin/sh is read from
// stalls. After fork it calls async-signal-safe functions only. Returns the child's pid, or -1 with errno.
pid_t qure_fork_command(const char *command, char *const environment[], int output);

// GNU-only: recvmmsg and sendmmsg with struct mmsghdr. A batch is one block of memory, made once: datagrams as they
// came, with whom they are from and at which of our addresses they arrived, and room for an answer to each, which goes
// back the same way.
struct qure_batch;
enum { QURE_BATCH_SIZE = 32, QURE_BATCH_QUERY = 4096, QURE_BATCH_ANSWER = 1232 };
struct qure_batch *qure_batch_create(void);
void qure_batch_free(struct qure_batch *batch);
// Takes what has arrived, without waiting. Returns how many, or -1 with errno. Longer ones than fit have length 0.
int qure_batch_receive(struct qure_batch *batch, int socket);
// The datagram at `index`, its length, and room for the answer.
const unsigned char *qure_batch_query(const struct qure_batch *batch, int index, size_t *length);
unsigned char *qure_batch_answer(struct qure_batch *batch, int index);
// Whom it is from, and our address that it came to: 4 or 16 octets, whose number is returned; 0: not known.
const struct sockaddr_storage *qure_batch_source(const struct qure_batch *batch, int index);
size_t qure_batch_local(const struct qure_batch *batch, int index, unsigned char address[16]);
// The answer to the datagram at `index` has this length; 0: there is none now.
void qure_batch_set_answer(struct qure_batch *batch, int index, size_t length);
// Sends the answers. Returns how many the kernel did not take.
int qure_batch_send(struct qure_batch *batch, int socket);

// CMSG_* are macros: one datagram from a certain address of ours (4 or 16 octets, or 0: the kernel chooses).
ssize_t qure_send_from(int socket, const void *bytes, size_t length, const struct sockaddr *destination,
                       socklen_t destination_length, const unsigned char *local, size_t local_length);

// The type of a resource's number differs between the languages: as many descriptors as the process may have at all.
void qure_raise_descriptor_limit(void);

// GNU-only: the next connection, not blocking and closed on exec.
int qure_accept(int listener, struct sockaddr_storage *source);
