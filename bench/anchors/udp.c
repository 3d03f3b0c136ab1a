/*
 * The load generator of the bench, UDP over IPv6. Each command prints one line of JSON at its end.
 *
 *   udp recv PORT [gro]                                       counts datagrams until SIGTERM
 *   udp send ADDRESS PORT SECONDS SIZE FLOWS BATCH [gso] [rate=N]
 *                                      as fast as it can, or N datagrams a second; flows take turns batch by batch
 *   udp echo PORT                                             answers until SIGTERM
 *   udp ping ADDRESS PORT SECONDS SIZE GAP                    ping-pong, GAP microseconds between answer and question
 *
 * `recv` and `echo` say "ready" when bound. With gso one system call hands BATCH datagrams of SIZE to the kernel as one
 * super-packet (UDP_SEGMENT); with gro the receiver takes them so and counts the datagrams inside.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "process.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
enum { MAX_BATCH = 64, MAX_FLOWS = 1024, MAX_DATAGRAM = 65536, SOCKET_BUFFER = 8 << 20, MAX_SAMPLES = 1 << 20 };

static int udp_socket(void) {
  int s = socket(AF_INET6, SOCK_DGRAM, 0), size = SOCKET_BUFFER;
  if (s < 0) die("socket");
  setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  return s;
}

static int bound(const char *port) {
  struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(port))};
  int s = udp_socket();
  struct timeval turn = {0, 200000}; /* look at `stopped` now and then, whenever the signal came */
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &turn, sizeof turn);
  if (bind(s, (struct sockaddr *)&here, sizeof here)) die("bind");
  printf("ready\n");
  fflush(stdout);
  return s;
}

static int connected(const char *address, const char *port) {
  struct sockaddr_in6 there = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(port))};
  int s = udp_socket();
  if (inet_pton(AF_INET6, address, &there.sin6_addr) != 1) die(address);
  if (connect(s, (struct sockaddr *)&there, sizeof there)) die("connect");
  return s;
}

/* How many datagrams one received super-packet holds. */
static uint64_t datagrams(struct msghdr *message, uint32_t length) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      int segment = *(int *)CMSG_DATA(c);
      return segment > 0 ? (length + segment - 1) / segment : 1;
    }
  return 1;
}

static int receive(int s, int gro) {
  static char memory[MAX_BATCH][MAX_DATAGRAM], control[MAX_BATCH][64];
  struct iovec vector[MAX_BATCH];
  struct mmsghdr message[MAX_BATCH];
  uint64_t count = 0, octets = 0;
  int one = 1;
  if (gro) setsockopt(s, IPPROTO_UDP, UDP_GRO, &one, sizeof one);
  while (!stopped) {
    for (int i = 0; i < MAX_BATCH; i++) {
      vector[i] = (struct iovec){memory[i], MAX_DATAGRAM};
      message[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vector[i], .msg_iovlen = 1}};
      if (gro) message[i].msg_hdr.msg_control = control[i], message[i].msg_hdr.msg_controllen = sizeof control[i];
    }
    int n = recvmmsg(s, message, MAX_BATCH, MSG_WAITFORONE, NULL);
    for (int i = 0; i < n; i++) {
      octets += message[i].msg_len;
      count += gro ? datagrams(&message[i].msg_hdr, message[i].msg_len) : 1;
    }
  }
  printf("{\"received\":%lu,\"octets\":%lu}\n", count, octets);
  return 0;
}

/* Sleeps until `count` datagrams are due. */
static void pace(uint64_t begin, uint64_t count, double rate) {
  uint64_t due = begin + (uint64_t)(count / rate * 1e9);
  struct timespec t = {due / 1000000000u, due % 1000000000u};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static int send_flood(char **argv, int gso, double rate) {
  double seconds = atof(argv[4]);
  int size = atoi(argv[5]), flows = atoi(argv[6]), batch = atoi(argv[7]), sockets[MAX_FLOWS];
  if (size < 1 || flows < 1 || flows > MAX_FLOWS || batch < 1 || batch > MAX_BATCH || size * batch > 65000) return 2;
  for (int i = 0; i < flows; i++) {
    sockets[i] = connected(argv[2], argv[3]);
    if (gso && setsockopt(sockets[i], IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size)) die("UDP_SEGMENT");
  }
  static char payload[MAX_DATAGRAM];
  struct iovec vector = {payload, size};
  struct mmsghdr message[MAX_BATCH];
  for (int i = 0; i < batch; i++) message[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}};

  uint64_t count = 0, begin = nanoseconds(), end = begin + (uint64_t)(seconds * 1e9);
  for (uint32_t turn = 0; !stopped && nanoseconds() < end; turn++) {
    if (rate > 0) pace(begin, count, rate);
    int s = sockets[turn % flows];
    if (gso) {
      if (send(s, payload, (size_t)size * batch, 0) > 0) count += batch;
    } else {
      int n = sendmmsg(s, message, batch, 0);
      if (n > 0) count += n;
    }
  }
  printf("{\"sent\":%lu,\"seconds\":%.6f}\n", count, (nanoseconds() - begin) / 1e9);
  return 0;
}

/* Answers from the address that was asked, so that a rewriting router sees both directions. */
static int echo(int s) {
  char payload[2048], control[64];
  struct sockaddr_in6 from;
  int one = 1;
  setsockopt(s, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
  while (!stopped) {
    struct iovec vector = {payload, sizeof payload};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &vector, .msg_iovlen = 1,
                       .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(s, &m, 0);
    if (n < 0) continue;
    vector.iov_len = n;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
      if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
        ((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_ifindex = 0;
    sendmsg(s, &m, 0);
  }
  return 0;
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static int ping(char **argv) {
  int s = connected(argv[2], argv[3]), size = atoi(argv[5]), gap = atoi(argv[6]);
  double seconds = atof(argv[4]);
  if (size < 4 || size > 2048 || gap < 0) return 2;
  struct timeval patience = {0, 200000};
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  uint64_t *took = malloc(MAX_SAMPLES * sizeof *took), end = nanoseconds() + (uint64_t)(seconds * 1e9);
  uint32_t answered = 0, lost = 0;
  char payload[2048] = {0};
  for (uint32_t number = 0; !stopped && answered < MAX_SAMPLES && nanoseconds() < end; number++) {
    uint64_t asked = nanoseconds();
    memcpy(payload, &number, sizeof number);
    send(s, payload, size, 0);
    for (;;) {
      uint32_t answer;
      if (recv(s, payload, sizeof payload, 0) < 0) {
        lost++;
        break;
      }
      memcpy(&answer, payload, sizeof answer);
      if (answer != number) continue; /* late answer to an earlier question */
      took[answered++] = nanoseconds() - asked;
      break;
    }
    if (gap) usleep(gap);
  }
  if (!answered) return fprintf(stderr, "udp: no answer\n"), 1;
  qsort(took, answered, sizeof *took, by_value);
  printf("{\"answered\":%u,\"lost\":%u,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"best\":%.1f}\n", answered, lost,
         took[answered / 2] / 1e3, took[answered * 9ul / 10] / 1e3, took[answered * 99ul / 100] / 1e3, took[0] / 1e3);
  return 0;
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = stop}; /* without SA_RESTART: a signal ends the system call */
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  const char *command = argc > 2 ? argv[1] : "";
  int wrong = 2;
  if (!strcmp(command, "recv")) wrong = receive(bound(argv[2]), argc > 3);
  else if (!strcmp(command, "echo")) wrong = echo(bound(argv[2]));
  else if (!strcmp(command, "send") && argc > 7) {
    int gso = 0;
    double rate = 0;
    for (int i = 8; i < argc; i++) {
      if (!strcmp(argv[i], "gso")) gso = 1;
      else if (!strncmp(argv[i], "rate=", 5)) rate = atof(argv[i] + 5);
    }
    wrong = send_flood(argv, gso, rate);
  }
  else if (!strcmp(command, "ping") && argc > 6) wrong = ping(argv);
  if (wrong == 2) fprintf(stderr, "udp: wrong arguments, see the comment at the top of udp.c\n");
  return wrong;
}
