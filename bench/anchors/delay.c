/*
 * A link that takes its time: `delay IF IF MICROSECONDS` carries Ethernet frames between two interfaces, each so much later
 * than it came, in order, as they are (super-packets and unfinished checksums too: PACKET_VNET_HDR). Ends on SIGTERM and
 * then says in a line of JSON what was carried and what was dropped: the kernel's queue was full, or ours.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "process.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif
enum { SLOTS = 1 << 16, LARGEST = 70000, SOCKET_BUFFER = 64 << 20 };

struct frame {
  uint64_t due;
  uint32_t length;
  uint8_t *octets;
};

/* One direction: what came at `from` waits for its time in a ring. */
struct direction {
  int from, to;
  uint32_t head, tail;
  uint64_t carried, dropped;
  struct frame ring[SLOTS];
};

static struct direction directions[2];

static int opened(const char *name) {
  int s = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), one = 1, size = SOCKET_BUFFER;
  if (s < 0) die("socket");
  struct sockaddr_ll here = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(name)};
  if (here.sll_ifindex == 0) die(name);
  struct packet_mreq all = {.mr_ifindex = here.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
  if (setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0) die("PACKET_VNET_HDR");
  if (setsockopt(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) < 0) die("PACKET_IGNORE_OUTGOING");
  if (setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) < 0) die("PACKET_ADD_MEMBERSHIP");
  setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  if (bind(s, (struct sockaddr *)&here, sizeof here) < 0) die("bind");
  return s;
}

static void take(struct direction *d, uint64_t delay) {
  static uint8_t octets[LARGEST];
  for (;;) {
    ssize_t n = recv(d->from, octets, sizeof octets, 0);
    if (n <= 0) return;
    if (d->tail - d->head == SLOTS) {
      d->dropped++;
      continue;
    }
    struct frame *f = &d->ring[d->tail++ % SLOTS];
    f->due = nanoseconds() + delay;
    f->length = n;
    f->octets = malloc(n);
    if (f->octets == NULL) die("malloc");
    memcpy(f->octets, octets, n);
  }
}

/* Sends what is due; gives when the next one is, 0: none waits. */
static uint64_t give(struct direction *d) {
  while (d->head != d->tail) {
    struct frame *f = &d->ring[d->head % SLOTS];
    if (f->due > nanoseconds()) return f->due;
    if (send(d->to, f->octets, f->length, 0) < 0) d->dropped++;
    else d->carried++;
    free(f->octets);
    d->head++;
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: delay IF IF MICROSECONDS\n");
    return 2;
  }
  uint64_t delay = strtoull(argv[3], NULL, 10) * 1000;
  int a = opened(argv[1]), b = opened(argv[2]);
  directions[0].from = directions[1].to = a;
  directions[0].to = directions[1].from = b;
  struct sigaction on = {.sa_handler = stop};
  sigaction(SIGTERM, &on, NULL);
  sigaction(SIGINT, &on, NULL);
  printf("ready\n");
  fflush(stdout);
  while (!stopped) {
    uint64_t next = 0;
    for (int k = 0; k < 2; k++) {
      take(&directions[k], delay);
      uint64_t due = give(&directions[k]);
      if (due != 0 && (next == 0 || due < next)) next = due;
    }
    uint64_t now = nanoseconds(), wait = next == 0 ? 1000000000u : next > now ? next - now : 0;
    struct timespec t = {.tv_sec = wait / 1000000000u, .tv_nsec = wait % 1000000000u};
    struct pollfd fds[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    if (ppoll(fds, 2, &t, NULL) < 0 && errno != EINTR) die("ppoll");
  }
  uint64_t carried = 0, dropped = 0;
  for (int k = 0; k < 2; k++) {
    struct tpacket_stats seen;
    socklen_t length = sizeof seen;
    if (getsockopt(directions[k].from, SOL_PACKET, PACKET_STATISTICS, &seen, &length) == 0) dropped += seen.tp_drops;
    carried += directions[k].carried;
    dropped += directions[k].dropped;
  }
  printf("{\"carried\": %llu, \"dropped\": %llu}\n", (unsigned long long)carried, (unsigned long long)dropped);
  return 0;
}
