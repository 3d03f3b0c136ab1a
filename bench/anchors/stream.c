/*
 * Numbered datagrams at a steady pace, one way, with as little of the processors as that takes: those who move the guest
 * share them. Lines of JSON, results on SIGTERM; the receiver says on SIGUSR1 what has come so far.
 *
 *   stream send ADDRESS PORT RATE
 *   stream recv PORT
 *
 * The receiver says every silence of more than 3 ms, as [end in seconds since 1970, milliseconds], by the kernel's time
 * stamps: when datagrams came to its network stack, not when it got to read them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "process.h"

enum { OCTETS = 64, SLOT_NS = 500000, BATCH = 64, BUFFER = 256 << 20, MOST = 1 << 26, SILENCES = 20000 };
static const double SILENCE_MS = 3;

static volatile sig_atomic_t asked;
static uint8_t octets[BATCH][OCTETS];
static struct iovec parts[BATCH];
static struct mmsghdr messages[BATCH];

static void send_at(const char *address, const char *port, double rate) {
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(port))};
  int s = socket(AF_INET6, SOCK_DGRAM, 0);
  if (inet_pton(AF_INET6, address, &to.sin6_addr) != 1 || connect(s, (struct sockaddr *)&to, sizeof to) < 0) die(address);
  puts("{\"event\": \"sending\"}");
  fflush(stdout);
  uint64_t start = nanoseconds();
  uint32_t sent = 0;
  unsigned refused = 0;
  while (!stopped) {
    uint32_t due = (nanoseconds() - start) / 1e9 * rate;
    while (sent < due) {
      int n = due - sent < BATCH ? due - sent : BATCH;
      for (int k = 0; k < n; k++) *(uint32_t *)octets[k] = htonl(sent + k);
      int done = sendmmsg(s, messages, n, 0);
      if (done > 0) sent += done;
      else refused++;
    }
    nanosleep(&(struct timespec){.tv_nsec = SLOT_NS}, NULL);
  }
  printf("{\"event\": \"result\", \"sent\": %u, \"refused\": %u}\n", sent, refused);
}

static void ask(int signal) {
  (void)signal;
  asked = 1;
}

static void receive(const char *port) {
  struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(port))};
  int s = socket(AF_INET6, SOCK_DGRAM, 0), one = 1, size = BUFFER;
  struct timeval patience = {.tv_usec = 100000};
  setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one) < 0) die("SO_TIMESTAMPNS");
  if (bind(s, (struct sockaddr *)&here, sizeof here) < 0) die("bind");
  static char ancillary[BATCH][CMSG_SPACE(sizeof(struct timespec))];
  static uint8_t seen[MOST / 8];
  static double silences[SILENCES][2];
  unsigned received = 0, doubled = 0, overtaken = 0, silent = 0;
  int64_t highest = -1;
  double last = 0;
  puts("{\"event\": \"listening\"}");
  fflush(stdout);
  for (;;) {
    for (int k = 0; k < BATCH; k++) {
      messages[k].msg_hdr.msg_control = ancillary[k];
      messages[k].msg_hdr.msg_controllen = sizeof ancillary[k];
    }
    int n = recvmmsg(s, messages, BATCH, MSG_WAITFORONE, NULL);
    if (n < 0 && stopped) break;
    if (asked) {
      asked = 0;
      printf("{\"event\": \"so far\", \"received\": %u, \"doubled\": %u, \"overtaken\": %u, \"highest\": %lld}\n", received,
             doubled, overtaken, (long long)highest);
      fflush(stdout);
    }
    for (int k = 0; k < n; k++) {
      struct cmsghdr *c = CMSG_FIRSTHDR(&messages[k].msg_hdr);
      struct timespec came;
      if (c == NULL) die("no time stamp");
      memcpy(&came, CMSG_DATA(c), sizeof came);
      double now = came.tv_sec + came.tv_nsec / 1e9;
      if (last > 0 && (now - last) * 1000 > SILENCE_MS && silent < SILENCES) {
        silences[silent][0] = now;
        silences[silent++][1] = (now - last) * 1000;
      }
      last = now;
      uint32_t number = ntohl(*(uint32_t *)octets[k]);
      if (number >= MOST) die("too many datagrams");
      if (seen[number / 8] & 1 << number % 8) {
        doubled++;
        continue;
      }
      seen[number / 8] |= 1 << number % 8;
      received++;
      if (number < highest) overtaken++;
      if (number > highest) highest = number;
    }
  }
  printf("{\"event\": \"result\", \"received\": %u, \"doubled\": %u, \"overtaken\": %u, \"silences\": [", received, doubled, overtaken);
  for (unsigned k = 0; k < silent; k++) printf("%s[%.6f, %.3f]", k > 0 ? ", " : "", silences[k][0], silences[k][1]);
  puts("]}");
}

int main(int argc, char **argv) {
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  signal(SIGUSR1, ask);
  for (int k = 0; k < BATCH; k++) {
    parts[k] = (struct iovec){octets[k], OCTETS};
    messages[k].msg_hdr.msg_iov = &parts[k];
    messages[k].msg_hdr.msg_iovlen = 1;
  }
  if (argc == 5 && strcmp(argv[1], "send") == 0) send_at(argv[2], argv[3], atof(argv[4]));
  else if (argc == 3 && strcmp(argv[1], "recv") == 0) receive(argv[2]);
  else die("usage: stream send ADDRESS PORT RATE | stream recv PORT");
  return 0;
}
