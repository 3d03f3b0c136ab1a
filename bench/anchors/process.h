/* What the anchors are as processes: they ask the time, they fail, they are told to end. */
#ifndef PROCESS_H
#define PROCESS_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Set by `stop`. */
static volatile sig_atomic_t stopped;

/* A handler of signals. */
static inline void stop(int signal) {
  (void)signal;
  stopped = 1;
}

/* Of a clock that only goes forward. */
static inline uint64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

/* Ends the process; says which step failed, and errno. */
static inline void die(const char *what) {
  perror(what);
  exit(1);
}

#endif
