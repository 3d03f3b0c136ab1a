/*
 * The border router's work on one packet, in C, decision for decision as src/sbr/forward.ts does it for a site with one
 * uplink, so that the ratios compare like with like:
 *
 *   check the header -> what are the two Locators to us -> find the binding by NID (lower half of an address)
 *   -> trade the Locator (upper half) -> update the transport checksum by the difference (RFC 1624) -> count
 *
 *   NID ──table──► class ──► guest Locator, flags        L64 ──roles──► what this Locator is to us
 *
 * Octets are compared and summed in network order as they lie in memory: the ones' complement sum does not care about
 * the octet order (RFC 1071 section 2 B).
 */
#ifndef LOCATOR_H
#define LOCATOR_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LENGTH = 40, PAYLOAD_LENGTH = 4, NEXT_HEADER = 6, HOP_LIMIT = 7 };
enum { SRC_L64 = 8, SRC_NID = 16, DST_L64 = 24, DST_NID = 32 };
enum { HOP_BY_HOP = 0, TCP = 6, UDP = 17, ROUTING = 43, FRAGMENT = 44, ICMPV6 = 58, NONE = 59, DESTINATION_OPTIONS = 60 };

/* struct virtio_net_hdr: what a TUN with IFF_VNET_HDR puts before each packet */
enum { VNET_LENGTH = 10, VNET_NEEDS_CSUM = 1, VNET_CSUM_START = 6, VNET_CSUM_OFFSET = 8 };

enum { OUTSIDE, INSIDE }; /* sides a packet comes from and goes to */
enum verdict { FORWARD, TRUNCATED, NOT_IPV6, SPOOFED, BAD_ADDRESS, NOT_FOR_US, UNKNOWN, BAD_OFFLOAD, VERDICTS };

struct slot {
  uint64_t nid;
  uint32_t class; /* index + 1; 0: the slot is free */
  uint32_t epoch;
};
struct row {
  uint64_t l64;
  uint32_t sum; /* of its four 16-bit words */
};
struct class {
  uint32_t guest, uplink; /* rows */
  uint32_t here;
};
struct role {
  uint64_t l64;
  uint32_t is; /* 0: the entry is free */
};
enum { UPLINK = 1, GUEST = 2 };
enum { ROLE_COUNT = 8 };

static struct slot *table;
static uint32_t table_mask, table_shift;
static struct row rows[3]; /* 0: none */
static struct class classes[1];
static struct role roles[ROLE_COUNT];
static uint64_t verdicts[VERDICTS], packets_in[2], octets_in[2], packets_out[2], octets_out[2];

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

static inline uint32_t mix(uint64_t x) {
  uint32_t h = (uint32_t)x * 0x9E3779B1u ^ (uint32_t)(x >> 32) * 0x85EBCA77u;
  return h ^ h >> 15;
}

static const uint64_t seed = 0x7ab1e5675eed1234; /* identifiers are chosen by strangers */
static inline uint32_t home_of(uint64_t nid) { return mix(nid ^ seed) * 0xC2B2AE3Du >> table_shift; }

static inline const struct class *find(uint64_t nid) {
  for (uint32_t i = home_of(nid);; i = (i + 1) & table_mask) {
    if (!table[i].class) return NULL;
    if (table[i].nid == nid) return &classes[table[i].class - 1];
  }
}

static inline uint32_t role_of(uint64_t l64) {
  for (uint32_t i = mix(l64) % ROLE_COUNT;; i = (i + 1) % ROLE_COUNT)
    if (!roles[i].is || roles[i].l64 == l64) return roles[i].is;
}

/* Multicast, link-local, unspecified or loopback: never a source to forward for (RFC 4291 section 2). */
static inline int unforwardable(const uint8_t *address) {
  if (address[0] == 0xff) return 1;
  if (address[0] == 0xfe) return (address[1] & 0xc0) == 0x80;
  return address[0] == 0 && load64(address) == 0 && load64(address + 8) <= network64(1);
}

/* Where the upper layer begins, and its protocol; NONE when there is no checksum within reach (later fragment). */
static uint32_t upper_layer(const uint8_t *p, uint32_t length, uint8_t *protocol) {
  uint32_t o = HEADER_LENGTH;
  uint8_t next = p[NEXT_HEADER];
  while (next == HOP_BY_HOP || next == ROUTING || next == DESTINATION_OPTIONS || next == FRAGMENT) {
    int later = next == FRAGMENT && o + 8 <= length && (p[o + 2] || (p[o + 3] & 0xf8));
    if (o + 8 > length || later) {
      next = NONE;
      break;
    }
    uint32_t size = next == FRAGMENT ? 8 : 8 + 8 * p[o + 1];
    next = p[o];
    o += size;
  }
  *protocol = next;
  return o;
}

static inline enum verdict adjust_checksum(uint8_t *p, uint32_t length, const uint8_t *vnet, uint8_t protocol,
                                           uint32_t transport, uint32_t difference) {
  if (vnet && (vnet[0] & VNET_NEEDS_CSUM)) { /* holds the sum of the pseudo-header, not complemented */
    uint32_t at = load16(vnet + VNET_CSUM_START) + load16(vnet + VNET_CSUM_OFFSET);
    if (at < HEADER_LENGTH || at + 2 > length) return BAD_OFFLOAD;
    store16(p + at, fold(load16(p + at) + difference));
    return FORWARD;
  }
  uint32_t at = transport;
  if (protocol == TCP) at += 16;
  else if (protocol == UDP) at += 6;
  else if (protocol == ICMPV6) at += 2;
  else return FORWARD;
  if (at + 2 > length) return TRUNCATED;
  uint16_t old = load16(p + at);
  if (protocol == UDP && old == 0) return FORWARD; /* 0: no checksum */
  uint16_t sum = ~fold((uint16_t)~old + difference);
  store16(p + at, protocol == UDP && sum == 0 ? 0xffff : sum);
  return FORWARD;
}

static inline enum verdict decide(uint8_t *p, uint32_t length, const uint8_t *vnet, int port) {
  if (length < HEADER_LENGTH) return TRUNCATED;
  if (p[0] >> 4 != 6) return NOT_IPV6;
  uint32_t size = HEADER_LENGTH + (p[PAYLOAD_LENGTH] << 8 | p[PAYLOAD_LENGTH + 1]);
  if (size > length) return TRUNCATED;
  length = size;

  uint8_t protocol = p[NEXT_HEADER];
  uint32_t transport = HEADER_LENGTH;
  if (protocol != TCP && protocol != UDP && protocol != ICMPV6) transport = upper_layer(p, length, &protocol);

  uint32_t source = role_of(load64(p + SRC_L64)), destination = role_of(load64(p + DST_L64));
  uint8_t *traded;
  const struct row *row;
  if (port == OUTSIDE) {
    if (source) return SPOOFED;
    if (unforwardable(p + SRC_L64)) return BAD_ADDRESS;
    if (!(destination & UPLINK)) return NOT_FOR_US;
    const struct class *c = find(load64(p + DST_NID));
    if (!c || !c->here) return UNKNOWN;
    row = &rows[c->guest];
    traded = p + DST_L64;
  } else {
    if (unforwardable(p + DST_L64)) return BAD_ADDRESS;
    const struct class *c = find(load64(p + SRC_NID));
    if (!c || !c->here || load64(p + SRC_L64) != rows[c->guest].l64) return UNKNOWN;
    if (destination) return NOT_FOR_US;
    row = &rows[c->uplink];
    traded = p + SRC_L64;
  }
  uint32_t difference = fold(row->sum + (sum64(load64(traded)) ^ 0xffff));
  store64(traded, row->l64);
  if (p[HOP_LIMIT] != 255) p[HOP_LIMIT]++;
  return adjust_checksum(p, length, vnet, protocol, transport, difference);
}

/* Trades the Locator of one packet in place; 0: to be dropped. `vnet`: the virtio header before it, or NULL. */
static inline int rewrite(uint8_t *p, uint32_t length, const uint8_t *vnet, int port) {
  packets_in[port]++;
  octets_in[port] += length;
  enum verdict v = decide(p, length, vnet, port);
  verdicts[v]++;
  if (v != FORWARD) return 0;
  packets_out[!port]++;
  octets_out[!port] += length;
  return 1;
}

/* Which side a packet of a TUN that serves both sides came from. */
static inline int port_of(const uint8_t *p, uint32_t length) {
  return length >= HEADER_LENGTH && (role_of(load64(p + SRC_L64)) & GUEST) ? INSIDE : OUTSIDE;
}

static void add_role(uint64_t l64, uint32_t is) {
  uint32_t i = mix(l64) % ROLE_COUNT;
  while (roles[i].is) i = (i + 1) % ROLE_COUNT;
  roles[i] = (struct role){l64, is};
}

/* A site with one uplink and one guest Locator, and room for `count` bindings, filled to three quarters at most. */
static void site_init(uint64_t global, uint64_t guest, uint32_t count) {
  rows[1] = (struct row){guest, sum64(guest)};
  rows[2] = (struct row){global, sum64(global)};
  classes[0] = (struct class){1, 2, 1};
  add_role(global, UPLINK);
  add_role(guest, GUEST);
  uint32_t slots = 64;
  while ((uint64_t)slots * 3 < (uint64_t)count * 4) slots <<= 1;
  table_mask = slots - 1;
  table_shift = 32 - __builtin_ctz(slots);
  table = aligned_alloc(64, slots * sizeof *table);
  if (!table) abort();
  memset(table, 0, slots * sizeof *table);
}

static void bind_nid(uint64_t nid) {
  uint32_t i = home_of(nid);
  while (table[i].class && table[i].nid != nid) i = (i + 1) & table_mask;
  table[i] = (struct slot){nid, 1, 0};
}

/* Pseudo-random NIDs, the same sequence every time (xorshift32). */
static uint32_t random_state = 0x12345678;
static inline uint32_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state;
}
static inline uint64_t random_nid(void) {
  uint64_t low = next_random();
  return (uint64_t)next_random() << 32 | low;
}

#endif
