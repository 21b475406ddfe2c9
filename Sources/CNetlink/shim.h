// What QureCore uses of libnl-3 and libnl-route-3, and the kernel headers whose constants go with it.
#pragma once
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet.h>
#include <netlink/route/link/macvlan.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <linux/genetlink.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_arp.h>
#include <linux/rtnetlink.h>

// The attribute that says who put an address there came with Linux 5.18; older headers (Debian 12's among them, in
// their first releases) have no name for it, and a kernel that does not know it passes over it.
#define QURE_IFA_PROTO 11

// <linux/if.h> has it, but cannot be included beside glibc's <net/if.h>: whether the layer below is ready.
#define QURE_IFF_LOWER_UP 0x10000
