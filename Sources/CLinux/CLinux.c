// The out-of-line half of CLinux.h: what needs _GNU_SOURCE, raw system calls, or must run after fork.
#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int qure_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int qure_effective_capabilities(uint64_t *capabilities) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    if (syscall(SYS_capget, &header, data) != 0) return -1;
    *capabilities = (uint64_t)data[0].effective | (uint64_t)data[1].effective << 32;
    return 0;
}

int qure_enter_network(int descriptor) { return setns(descriptor, CLONE_NEWNET); }

void qure_close_in_background(int descriptor) {
    struct io_uring_params parameters = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 1u, &parameters);
    if (ring >= 0) {
        (void)syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &descriptor, 1u);
        close(ring);
    }
    close(descriptor);
}

#define MOST_DESCRIPTORS 253  // SCM_MAX_FD of the kernel

ssize_t qure_receive_descriptors(int socket, void *buffer, size_t length, int *descriptors, size_t capacity,
                                 size_t *count) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
    } control;
    struct iovec vector = {.iov_base = buffer, .iov_len = length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    *count = 0;
    ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received < 0) return received;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        size_t present = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < present; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(c) + i * sizeof(int), sizeof descriptor);
            if (*count < capacity) descriptors[(*count)++] = descriptor;
            else close(descriptor);
        }
    }
    return received;
}

ssize_t qure_send_descriptor(int socket, const void *bytes, size_t length, int descriptor) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

int qure_pipe_cloexec(int descriptors[2]) { return pipe2(descriptors, O_CLOEXEC); }

int qure_unread_in_pipe(int descriptor) {
    int count;
    // Of a socket or a terminal it would tell what can be read here, which is something else.
    if (fcntl(descriptor, F_GETPIPE_SZ) < 0 || ioctl(descriptor, FIONREAD, &count) < 0) return -1;
    return count;
}

// The kernel has acted on a request by the time sendto returns.
static void send_to_kernel(int protocol, const unsigned char *messages, size_t length) {
    if (length == 0) return;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    (void)sendto(fd, messages, length, 0, (struct sockaddr *)&kernel, sizeof kernel);
    close(fd);
}

static void guard(int pipe_end, const struct qure_guard_orders *orders) {
    // A terminal's Ctrl-C and a service manager's SIGTERM go to the whole group; the guard outlives them,
    // because it leaves by itself as soon as its parent has.
    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    prctl(PR_SET_NAME, "qure-guard");
    // Everything of the parent's but the pipe: a pipe to a neighbour in a pipeline that stayed open here
    // would hide the parent's death from it.
    if (dup2(pipe_end, 0) != 0) _exit(71);
    syscall(SYS_close_range, 1u, ~0u, 0u);
    char byte;
    while (read(0, &byte, 1) < 0 && errno == EINTR);
    send_to_kernel(NETLINK_ROUTE, orders->route, orders->route_length);
    send_to_kernel(NETLINK_NETFILTER, orders->filter, orders->filter_length);
    _exit(0);
}

pid_t qure_fork_guard(int pipe_end, const struct qure_guard_orders *orders) {
    pid_t child = fork();
    if (child == 0) guard(pipe_end, orders);
    return child;
}

static void become_command(const char *command, char *const environment[], int output) {
    setpgid(0, 0);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    struct sched_param ordinary = {0};
    if (sched_getscheduler(0) != SCHED_OTHER) sched_setscheduler(0, SCHED_OTHER, &ordinary);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(output, 1) < 0 || dup2(nothing, 0) < 0) _exit(127);
    syscall(SYS_close_range, 3u, ~0u, 0u);
    char *const words[] = {"sh", "-c", (char *)command, NULL};
    execve("/bin/sh", words, environment);
    _exit(127);
}

pid_t qure_fork_command(const char *command, char *const environment[], int output) {
    pid_t child = fork();
    if (child == 0) become_command(command, environment, output);
    // Both sides do it, so that the group is there whoever runs first.
    if (child > 0) setpgid(child, child);
    return child;
}

struct qure_batch {
    struct mmsghdr received[QURE_BATCH_SIZE], sent[QURE_BATCH_SIZE];
    struct iovec queries[QURE_BATCH_SIZE], answers[QURE_BATCH_SIZE];
    struct sockaddr_storage sources[QURE_BATCH_SIZE];
    union {
        struct cmsghdr header;
        unsigned char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } controls[QURE_BATCH_SIZE];
    // A line more than the length: at a distance of a whole page all would fall into the same places of the cache.
    unsigned char query_bytes[QURE_BATCH_SIZE][QURE_BATCH_QUERY + 64];
    unsigned char answer_bytes[QURE_BATCH_SIZE][QURE_BATCH_ANSWER];
    // How many arrived last: only these have to be made ready again, and most often it is one.
    int count;
};

struct qure_batch *qure_batch_create(void) {
    struct qure_batch *batch = calloc(1, sizeof *batch);
    if (!batch) return NULL;
    batch->count = QURE_BATCH_SIZE;  // none is ready yet
    for (int i = 0; i < QURE_BATCH_SIZE; i++) {
        batch->queries[i] = (struct iovec){batch->query_bytes[i], QURE_BATCH_QUERY};
        batch->answers[i] = (struct iovec){batch->answer_bytes[i], 0};
        struct msghdr *header = &batch->received[i].msg_hdr;
        header->msg_iov = &batch->queries[i];
        header->msg_iovlen = 1;
        header->msg_name = &batch->sources[i];
        header->msg_control = &batch->controls[i];
    }
    return batch;
}

void qure_batch_free(struct qure_batch *batch) { free(batch); }

int qure_batch_receive(struct qure_batch *batch, int socket) {
    for (int i = 0; i < batch->count; i++) {
        batch->received[i].msg_hdr.msg_namelen = sizeof batch->sources[i];
        batch->received[i].msg_hdr.msg_controllen = sizeof batch->controls[i];
        batch->answers[i].iov_len = 0;
    }
    int count = recvmmsg(socket, batch->received, QURE_BATCH_SIZE, MSG_DONTWAIT, NULL);
    batch->count = count > 0 ? count : 0;
    for (int i = 0; i < count; i++) {
        struct msghdr *header = &batch->received[i].msg_hdr;
        if (header->msg_flags & MSG_TRUNC) batch->received[i].msg_len = 0;
        // The answer leaves from the address that was asked, by whichever way the routing table says.
        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
            if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
                ((struct in_pktinfo *)CMSG_DATA(c))->ipi_ifindex = 0;
            if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
                ((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_ifindex = 0;
        }
    }
    return count;
}

const unsigned char *qure_batch_query(const struct qure_batch *batch, int index, size_t *length) {
    *length = batch->received[index].msg_len;
    return batch->query_bytes[index];
}

unsigned char *qure_batch_answer(struct qure_batch *batch, int index) { return batch->answer_bytes[index]; }

const struct sockaddr_storage *qure_batch_source(const struct qure_batch *batch, int index) {
    return &batch->sources[index];
}

size_t qure_batch_local(const struct qure_batch *batch, int index, unsigned char address[16]) {
    struct msghdr *header = (struct msghdr *)&batch->received[index].msg_hdr;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(address, &((struct in_pktinfo *)CMSG_DATA(c))->ipi_spec_dst, 4);
            return 4;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(address, &((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_addr, 16);
            return 16;
        }
    }
    return 0;
}

void qure_batch_set_answer(struct qure_batch *batch, int index, size_t length) {
    batch->answers[index].iov_len = length;
}

int qure_batch_send(struct qure_batch *batch, int socket) {
    unsigned count = 0;
    for (int i = 0; i < batch->count; i++) {
        if (batch->answers[i].iov_len == 0) continue;
        batch->sent[count].msg_hdr = batch->received[i].msg_hdr;
        batch->sent[count].msg_hdr.msg_iov = &batch->answers[i];
        batch->sent[count++].msg_hdr.msg_flags = 0;
    }
    int lost = 0;
    for (unsigned done = 0; done < count;) {
        int sent = sendmmsg(socket, batch->sent + done, count - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) done += (unsigned)sent;
        else if (errno == EINTR) continue;
        else done++, lost++;  // this one cannot be sent; the next is another client's
    }
    return lost;
}

ssize_t qure_send_from(int socket, const void *bytes, size_t length, const struct sockaddr *destination,
                       socklen_t destination_length, const unsigned char *local, size_t local_length) {
    union {
        struct cmsghdr header;
        unsigned char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control = {0};
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_name = (void *)destination, .msg_namelen = destination_length, .msg_iov = &vector,
                             .msg_iovlen = 1};
    if (local_length > 0) {
        size_t size = local_length == 4 ? sizeof(struct in_pktinfo) : sizeof(struct in6_pktinfo);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(size);
        control.header.cmsg_level = local_length == 4 ? IPPROTO_IP : IPPROTO_IPV6;
        control.header.cmsg_type = local_length == 4 ? IP_PKTINFO : IPV6_PKTINFO;
        control.header.cmsg_len = CMSG_LEN(size);
        if (local_length == 4) memcpy(&((struct in_pktinfo *)CMSG_DATA(&control.header))->ipi_spec_dst, local, 4);
        else memcpy(&((struct in6_pktinfo *)CMSG_DATA(&control.header))->ipi6_addr, local, 16);
    }
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void qure_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int qure_accept(int listener, struct sockaddr_storage *source) {
    socklen_t length = sizeof *source;
    return accept4(listener, (struct sockaddr *)source, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
