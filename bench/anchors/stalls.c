/*
 * When this machine stood still: on every processor a thread of the highest priority wants to run each half millisecond, and
 * notes when it is let more than a millisecond late. No other program can cause that; who has lent us the processor can, and
 * so can the kernel, where a call of any program lasts that long (compare with what happens when nothing is done).
 *
 *   stalls
 *
 * On SIGTERM one line of JSON: [end in seconds since 1970, milliseconds] of each, by processor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "process.h"

enum { SLOT_NS = 500000, LATE_NS = 1000000, MOST = 100000, PROCESSORS = 64 };

struct processor {
  pthread_t thread;
  unsigned number, count;
  double stalls[MOST][2];
};

static struct processor *processors[PROCESSORS];

static double since_1970(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void *watch(void *argument) {
  struct processor *p = argument;
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(p->number, &own);
  if ((errno = pthread_setaffinity_np(pthread_self(), sizeof own, &own)) != 0) die("affinity");
  if ((errno = pthread_setschedparam(pthread_self(), SCHED_FIFO, &(struct sched_param){.sched_priority = 99})) != 0) die("SCHED_FIFO");
  uint64_t due = nanoseconds();
  while (!stopped) {
    due += SLOT_NS;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &(struct timespec){.tv_sec = due / 1000000000u, .tv_nsec = due % 1000000000u}, NULL);
    uint64_t now = nanoseconds();
    if (now > due + LATE_NS && p->count < MOST) {
      p->stalls[p->count][0] = since_1970();
      p->stalls[p->count++][1] = (now - due) / 1e6;
    }
    if (now > due) due = now;
  }
  return NULL;
}

int main(void) {
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  int count = sysconf(_SC_NPROCESSORS_ONLN);
  if (count > PROCESSORS) count = PROCESSORS;
  for (int n = 0; n < count; n++) {
    processors[n] = calloc(1, sizeof *processors[n]);
    if (processors[n] == NULL) die("memory");
    processors[n]->number = n;
  }
  if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0) die("mlockall");
  for (int n = 0; n < count; n++)
    if ((errno = pthread_create(&processors[n]->thread, NULL, watch, processors[n])) != 0) die("thread");
  puts("{\"event\": \"watching\"}");
  fflush(stdout);
  for (int n = 0; n < count; n++) pthread_join(processors[n]->thread, NULL);
  printf("{\"event\": \"result\", \"stalls\": [");
  const char *comma = "";
  for (int n = 0; n < count; n++)
    for (unsigned k = 0; k < processors[n]->count; k++, comma = ", ")
      printf("%s[%.6f, %.3f]", comma, processors[n]->stalls[k][0], processors[n]->stalls[k][1]);
  puts("]}");
  return 0;
}
