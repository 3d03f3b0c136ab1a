/*
 * rewrite BINDINGS REPETITIONS: nanoseconds per packet of the Locator rewrite alone, no input or output.
 *
 * 4096 inbound UDP packets in slots of 128 octets, each to a NID chosen at random among BINDINGS. They are made anew
 * before each repetition, outside the clock. Prints the best and the median repetition as one line of JSON.
 */
#include <stdio.h>
#include "locator.h"
#include "process.h"

enum { PACKETS = 4096, SLOT = 128, HEADROOM = 16, LENGTH = 112 };

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  if (argc < 3) return fprintf(stderr, "usage: rewrite BINDINGS REPETITIONS\n"), 2;
  uint32_t count = strtoul(argv[1], NULL, 10), repetitions = strtoul(argv[2], NULL, 10);
  if (!count || !repetitions) return fprintf(stderr, "rewrite: both numbers must be above 0\n"), 2;

  const uint64_t global = network64(0x20010db8000b0000), guest = network64(0xfd00000b00000001);
  uint64_t *nids = malloc(count * sizeof *nids), *took = malloc(repetitions * sizeof *took);
  uint8_t *memory = aligned_alloc(4096, PACKETS * SLOT);
  site_init(global, guest, count);
  for (uint32_t i = 0; i < count; i++) bind_nid(nids[i] = random_nid());
  memset(memory, 0, PACKETS * SLOT);

  uint64_t rewritten = 0;
  for (uint32_t r = 0; r < repetitions; r++) {
    for (uint32_t i = 0; i < PACKETS; i++) {
      uint8_t *p = memory + i * SLOT + HEADROOM;
      p[0] = 0x60;
      p[PAYLOAD_LENGTH + 1] = LENGTH - HEADER_LENGTH;
      p[NEXT_HEADER] = UDP;
      p[HOP_LIMIT] = 63;
      store64(p + SRC_L64, network64(0x20010db8000c0000));
      store64(p + SRC_NID, network64(0xc0));
      store64(p + DST_L64, global);
      store64(p + DST_NID, nids[next_random() % count]);
      store16(p + HEADER_LENGTH + 6, next_random() | 1);
    }
    uint64_t begin = nanoseconds();
    for (uint32_t i = 0; i < PACKETS; i++) rewritten += rewrite(memory + i * SLOT + HEADROOM, LENGTH, NULL, OUTSIDE);
    took[r] = nanoseconds() - begin;
  }

  qsort(took, repetitions, sizeof *took, by_value);
  printf("{\"bindings\":%u,\"best\":%.2f,\"median\":%.2f,\"rewritten\":%.3f}\n", count, took[0] / (double)PACKETS,
         took[repetitions / 2] / (double)PACKETS, rewritten / (double)repetitions / PACKETS);
  return 0;
}
