/*
 * The border router's work on one packet, in C: what the anchors do, so that the ratios compare like with like.
 *
 *   check the fixed header -> find the binding by NID (lower half of an address) -> trade the Locator (upper half)
 *   -> update the transport checksum by a difference computed once per binding (RFC 1624)
 *
 * A packet to a bound global Locator gets the guest Locator (inbound), a packet from a bound guest Locator gets the
 * global one (outbound). Octets are compared and summed in network order as they lie in memory: the ones' complement
 * sum does not care about the octet order (RFC 1071 section 2 B).
 */
#ifndef LOCATOR_H
#define LOCATOR_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LENGTH = 40, PAYLOAD_LENGTH = 4, NEXT_HEADER = 6, HOP_LIMIT = 7 };
enum { SRC_L64 = 8, SRC_NID = 16, DST_L64 = 24, DST_NID = 32 };
enum { HOP_BY_HOP = 0, TCP = 6, UDP = 17, ROUTING = 43, FRAGMENT = 44, ICMPV6 = 58, DESTINATION_OPTIONS = 60 };

/* struct virtio_net_hdr: what a TUN with IFF_VNET_HDR puts before each packet */
enum { VNET_LENGTH = 10, VNET_NEEDS_CSUM = 1, VNET_CSUM_START = 6, VNET_CSUM_OFFSET = 8 };

struct binding {
  uint64_t nid; /* 0: the slot is free */
  uint64_t guest, global;
  uint32_t inbound, outbound; /* ones' complement differences of the two trades */
};

static struct binding *bindings;
static uint32_t bindings_mask, bindings_shift;

static inline uint64_t load64(const uint8_t *p) {
  uint64_t x;
  memcpy(&x, p, 8);
  return x;
}
static inline void store64(uint8_t *p, uint64_t x) { memcpy(p, &x, 8); }
static inline uint16_t load16(const uint8_t *p) {
  uint16_t x;
  memcpy(&x, p, 2);
  return x;
}
static inline void store16(uint8_t *p, uint16_t x) { memcpy(p, &x, 2); }

/* A number written as in text (0x20010db8000b0000) as it lies in a packet. */
static inline uint64_t network64(uint64_t x) { return __builtin_bswap64(x); }

static inline uint32_t fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

static inline uint32_t sum64(uint64_t x) {
  return fold((x & 0xffff) + ((x >> 16) & 0xffff) + ((x >> 32) & 0xffff) + (uint32_t)(x >> 48));
}

static inline uint32_t slot_of(uint64_t nid) {
  uint32_t h = (uint32_t)nid * 0x9E3779B1u ^ (uint32_t)(nid >> 32) * 0x85EBCA77u;
  h ^= h >> 15;
  return h * 0xC2B2AE3Du >> bindings_shift;
}

/* Room for `count` bindings at a load of one half at most: linear probing stays short. */
static void bindings_init(uint32_t count) {
  uint32_t slots = 16;
  while (slots < count * 2) slots <<= 1;
  bindings_mask = slots - 1;
  bindings_shift = 32 - __builtin_ctz(slots);
  bindings = calloc(slots, sizeof *bindings);
  if (!bindings) abort();
}

static void bind_nid(uint64_t nid, uint64_t guest, uint64_t global) {
  uint32_t i = slot_of(nid);
  while (bindings[i].nid && bindings[i].nid != nid) i = (i + 1) & bindings_mask;
  bindings[i] = (struct binding){nid, guest, global, fold(sum64(~global) + sum64(guest)),
                                 fold(sum64(~guest) + sum64(global))};
}

static inline const struct binding *find(uint64_t nid) {
  for (uint32_t i = slot_of(nid);; i = (i + 1) & bindings_mask) {
    if (bindings[i].nid == nid) return &bindings[i];
    if (!bindings[i].nid) return NULL;
  }
}

/* Where the checksum of the upper layer is; 0 when there is none to update (unknown protocol, later fragment). */
static inline uint32_t checksum_at(const uint8_t *p, uint32_t length, uint8_t *protocol) {
  uint32_t o = HEADER_LENGTH;
  uint8_t next = p[NEXT_HEADER];
  for (;;) {
    uint32_t at;
    switch (next) {
    case TCP: at = o + 16; break;
    case UDP: at = o + 6; break;
    case ICMPV6: at = o + 2; break;
    case HOP_BY_HOP:
    case ROUTING:
    case DESTINATION_OPTIONS:
      if (o + 8 > length) return 0;
      next = p[o];
      o += 8 + 8 * p[o + 1];
      continue;
    case FRAGMENT:
      if (o + 8 > length || p[o + 2] || (p[o + 3] & 0xf8)) return 0;
      next = p[o];
      o += 8;
      continue;
    default: return 0;
    }
    *protocol = next;
    return at + 2 <= length ? at : 0;
  }
}

/* `vnet`: the virtio header before the packet, or NULL. */
static inline int update_checksum(uint8_t *p, uint32_t length, const uint8_t *vnet, uint32_t difference) {
  if (vnet && (vnet[0] & VNET_NEEDS_CSUM)) { /* holds the sum of the pseudo-header, not complemented */
    uint32_t at = load16(vnet + VNET_CSUM_START) + load16(vnet + VNET_CSUM_OFFSET);
    if (at + 2 > length) return 0;
    store16(p + at, fold(load16(p + at) + difference));
    return 1;
  }
  uint8_t protocol = 0;
  uint32_t at = checksum_at(p, length, &protocol);
  if (!at) return 1;
  uint16_t old = load16(p + at);
  if (protocol == UDP && old == 0) return 1; /* 0: no checksum */
  uint16_t sum = ~fold((uint16_t)~old + difference);
  if (protocol == UDP && sum == 0) sum = 0xffff;
  store16(p + at, sum);
  return 1;
}

/* Trades the Locator of one packet in place; 0: not for us, to be dropped. */
static inline int rewrite(uint8_t *p, uint32_t length, const uint8_t *vnet) {
  if (length < HEADER_LENGTH || p[0] >> 4 != 6) return 0;
  const struct binding *b = find(load64(p + DST_NID));
  if (b && load64(p + DST_L64) == b->global) {
    store64(p + DST_L64, b->guest);
    return update_checksum(p, length, vnet, b->inbound);
  }
  b = find(load64(p + SRC_NID));
  if (b && load64(p + SRC_L64) == b->guest) {
    store64(p + SRC_L64, b->global);
    return update_checksum(p, length, vnet, b->outbound);
  }
  return 0;
}

/* Fills the table with `count` bindings of pseudo-random NIDs (same sequence every time); returns them if asked. */
static uint32_t random_state = 0x12345678;
static inline uint32_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state;
}
static void bind_random(uint32_t count, uint64_t guest, uint64_t global, uint64_t *nids) {
  for (uint32_t i = 0; i < count; i++) {
    uint64_t low = next_random(), nid = (uint64_t)next_random() << 32 | low;
    bind_nid(nid, guest, global);
    if (nids) nids[i] = nid;
  }
}

#endif
