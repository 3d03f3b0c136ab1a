/*
 * Who floods, at a steady rate until SIGTERM, and then says in a line of JSON what was sent.
 *
 *   flood frames IF RATE HEX...              Ethernet frames on an interface, in turns, each a little different
 *   flood dial ADDRESS PORT RATE HEX...      TCP connections; each says its octets, hears nothing and is reset 50 ms later
 *
 * What is drawn anew for each frame, wherever it stands in it (the same marks as in test/netns/probes/forge.py):
 *   0000ffff0000ffff  an identifier; another one with the same sum, so that checksums stay right
 *   020bad000000      a link-layer address, one of 65,536
 *   5a5a5a5a          a nonce, which no checksum covers
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "process.h"

enum { BATCH = 10, LARGEST = 1600, TEMPLATES = 16, OPEN = 128 };
static const uint32_t ODD = 0x9E3779B1; /* times that, all counters of 32 bits are different numbers */

struct template {
  size_t length;
  uint8_t octets[LARGEST];
};
static struct template templates[TEMPLATES];
static unsigned count;

static void read_templates(int argc, char **argv, int first) {
  for (int k = first; k < argc && count < TEMPLATES; k++) {
    struct template *t = &templates[count++];
    for (const char *at = argv[k]; t->length < LARGEST && sscanf(at, "%2hhx", &t->octets[t->length]) == 1; at += 2) t->length++;
  }
  if (count == 0) die("no octets");
}

/* Sleeps until `done` are due. */
static void pace(uint64_t begin, uint64_t done, double rate) {
  uint64_t due = begin + (uint64_t)(done / rate * 1e9);
  struct timespec t = {due / 1000000000u, due % 1000000000u};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void draw(const struct template *t, uint8_t *to, uint32_t drawn) {
  static const uint8_t identifier[8] = {0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff}, machine[6] = {2, 0x0b, 0xad}, nonce[4] = {0x5a, 0x5a, 0x5a, 0x5a};
  uint16_t x = drawn >> 16, y = drawn, words[4] = {x, ~x, y, ~y};
  memcpy(to, t->octets, t->length);
  for (size_t k = 0; k + 4 <= t->length; k++) {
    if (memcmp(&t->octets[k], nonce, 4) == 0) memcpy(&to[k], &drawn, 4);
    if (k + 6 <= t->length && memcmp(&t->octets[k], machine, 6) == 0) memcpy(&to[k + 4], &x, 2);
    if (k + 8 <= t->length && memcmp(&t->octets[k], identifier, 8) == 0) memcpy(&to[k], words, 8);
  }
}

static uint64_t frames(const char *name, double rate) {
  static uint8_t octets[BATCH][LARGEST];
  struct sockaddr_ll there = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(name)};
  int s = socket(AF_PACKET, SOCK_RAW, 0);
  if (s < 0 || there.sll_ifindex == 0 || bind(s, (struct sockaddr *)&there, sizeof there) < 0) die(name);
  struct iovec vector[BATCH];
  struct mmsghdr messages[BATCH];
  uint64_t begin = nanoseconds(), sent = 0;
  for (uint64_t n = 0; !stopped; n += BATCH) {
    pace(begin, n, rate);
    for (unsigned k = 0; k < BATCH; k++) {
      const struct template *t = &templates[(n + k) % count];
      draw(t, octets[k], (uint32_t)(n + k + 1) * ODD);
      vector[k] = (struct iovec){octets[k], t->length};
      messages[k] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vector[k], .msg_iovlen = 1}};
    }
    int done = sendmmsg(s, messages, BATCH, 0);
    if (done > 0) sent += done;
  }
  return sent;
}

/* Each socket speaks one turn after it was opened, when it is connected, and makes room for another one 50 ms later. */
static uint64_t dial(const char *address, const char *port, double rate) {
  struct sockaddr_in6 there = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(port))};
  if (inet_pton(AF_INET6, address, &there.sin6_addr) != 1) die(address);
  struct linger reset = {1, 0};
  unsigned room = rate * 0.05 + 2;
  if (room > OPEN) room = OPEN;
  int sockets[OPEN];
  memset(sockets, -1, sizeof sockets);
  uint64_t begin = nanoseconds(), said = 0;
  for (uint64_t n = 0; !stopped; n++) {
    pace(begin, n, rate);
    int before = sockets[(n + room - 1) % room], *mine = &sockets[n % room];
    const struct template *t = &templates[n % count];
    if (before >= 0 && send(before, t->octets, t->length, MSG_NOSIGNAL) == (ssize_t)t->length) said++;
    if (*mine >= 0) close(*mine);
    *mine = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(*mine, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(*mine, (struct sockaddr *)&there, sizeof there) < 0 && errno != EINPROGRESS && errno != ECONNREFUSED) die("connect");
  }
  return said;
}

int main(int argc, char **argv) {
  struct sigaction on = {.sa_handler = stop};
  sigaction(SIGTERM, &on, NULL);
  sigaction(SIGINT, &on, NULL);
  int is_dial = argc > 5 && strcmp(argv[1], "dial") == 0;
  double rate = is_dial ? atof(argv[4]) : argc > 4 ? atof(argv[3]) : 0;
  if (rate < 1) return fprintf(stderr, "flood: wrong arguments, see the comment at the top of flood.c\n"), 2;
  read_templates(argc, argv, is_dial ? 5 : 4);
  uint64_t begin = nanoseconds(), sent = is_dial ? dial(argv[2], argv[3], rate) : frames(argv[2], rate);
  printf("{\"sent\":%lu,\"seconds\":%.6f}\n", sent, (nanoseconds() - begin) / 1e9);
  return 0;
}
