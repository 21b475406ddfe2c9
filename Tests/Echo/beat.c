// The beat (echo.h): a timer, a wait, a code where one is wanted, a datagram; and what a master cannot do without.
#define _GNU_SOURCE
#include "echo.h"
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <nettle/hmac.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

enum { LENGTH = 170, CODE = 16, BILLION = 1000000000, QUESTION = 28 };

static struct hmac_sha256_ctx code;
static int poller;

static void seal(unsigned char *bytes, size_t length) {
    hmac_sha256_update(&code, length, bytes);
    hmac_sha256_digest(&code, CODE, bytes + length);
}

static int wait_for(int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    return descriptor < 0 ? -1 : epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event);
}

// Hears what the others say to the group.
static int hear(const struct sockaddr_in *group, int index) {
    struct ip_mreqn link = {.imr_multiaddr = group->sin_addr, .imr_ifindex = index};
    int yes = 1, descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0 || setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0) return -1;
    if (bind(descriptor, (const struct sockaddr *)group, sizeof *group) != 0) return -1;
    if (setsockopt(descriptor, IPPROTO_IP, IP_ADD_MEMBERSHIP, &link, sizeof link) != 0) return -1;
    return wait_for(descriptor);
}

// A socket for ARP, and a question for the gateway, from no address.
static int prepare(const char *gateway, int index, struct sockaddr_ll *to, unsigned char *question) {
    struct sockaddr_ll own = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = index};
    socklen_t length = sizeof own;
    int descriptor = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0 || bind(descriptor, (struct sockaddr *)&own, sizeof own) != 0) return -1;
    if (getsockname(descriptor, (struct sockaddr *)&own, &length) != 0) return -1;
    memcpy(question, "\0\1\10\0\6\4\0\1", 8);
    memcpy(question + 8, own.sll_addr, ETH_ALEN);
    *to = own;
    to->sll_protocol = htons(ETH_P_ARP);
    to->sll_halen = ETH_ALEN;
    memset(to->sll_addr, 0xff, ETH_ALEN);
    if (inet_pton(AF_INET, gateway, question + 24) != 1 || wait_for(descriptor) != 0) return -1;
    return descriptor;
}

// Until the timer comes: reads what arrives, and looks at its code.
static void read_until(int timer) {
    static unsigned char heard[512];
    struct epoll_event event;
    while (epoll_wait(poller, &event, 1, -1) != 1 || event.data.fd != timer) {
        for (ssize_t got; (got = recv(event.data.fd, heard, sizeof heard - CODE, 0)) >= 0;) seal(heard, (size_t)got);
    }
}

static void arm(int timer, struct itimerspec *next, long milliseconds) {
    next->it_value.tv_nsec += milliseconds * 1000000;
    next->it_value.tv_sec += next->it_value.tv_nsec / BILLION;
    next->it_value.tv_nsec %= BILLION;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, next, NULL);
}

int qure_beat(
    const char *interface, const char *group, unsigned short port, long milliseconds, int sealed, const char *gateway
) {
    static unsigned char bytes[LENGTH], key[32], question[QUESTION];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_ll all;
    struct ip_mreqn link = {.imr_ifindex = (int)if_nametoindex(interface)};
    struct itimerspec next = {{0, 0}, {0, 0}};
    int none = 0, neighbours = -1, descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (descriptor < 0 || poller < 0 || wait_for(timer) != 0 || inet_pton(AF_INET, group, &to.sin_addr) != 1) return -1;
    if (setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_IF, &link, sizeof link) != 0) return -1;
    if (setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_LOOP, &none, sizeof none) != 0) return -1;
    if (*gateway && hear(&to, link.imr_ifindex) != 0) return -1;
    if (*gateway && (neighbours = prepare(gateway, link.imr_ifindex, &all, question)) < 0) return -1;
    hmac_sha256_set_key(&code, sizeof key, key);
    clock_gettime(CLOCK_BOOTTIME, &next.it_value);
    for (unsigned long sequence = 0;; sequence++) {
        arm(timer, &next, milliseconds);
        read_until(timer);
        memcpy(bytes, &sequence, sizeof sequence);
        if (sealed) seal(bytes, LENGTH - CODE);
        sendto(descriptor, bytes, LENGTH, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
        if (neighbours < 0 || sequence * (unsigned long)milliseconds % 1000 != 0) continue;
        sendto(neighbours, question, QUESTION, MSG_NOSIGNAL, (struct sockaddr *)&all, sizeof all);
    }
}
