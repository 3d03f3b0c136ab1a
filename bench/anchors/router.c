/*
 * router TUN [offload] [uring] [copy] [bindings=N]: the anchor the border router is compared with, a Locator rewriter
 * over one Linux TUN that packets enter and leave.
 *
 *   (nothing)  one packet per system call, no offload: what a straightforward program does ("naive C")
 *   offload    IFF_VNET_HDR with checksum, TSO and USO: one read or write may carry a packet of 64 KiB
 *   uring      io_uring: multishot reads into provided buffers, all writes of a batch in the same system call
 *   copy       nothing is rewritten or looked at: what the way through a TUN costs, for the bench of the shim
 *
 * Binds 2001:db8:b::5e1 (global) to fd00:b:0:1::5e1 (guest) among N others; says "ready" on standard output when
 * packets may come.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <liburing.h>
#include "locator.h"
#include "process.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
enum { READ_MULTISHOT = 49 }; /* IORING_OP_READ_MULTISHOT, Linux 6.7; older headers do not have it */
enum { MAX_PACKET = 65535, ALIGNED = 16, BATCH = 64, SQ_ENTRIES = 512, CQ_ENTRIES = 2048 };
enum { TAG_READ = 1, TAG_WRITE = 2 };

static int offload, copy;

static int tun_open(const char *name) {
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) die("/dev/net/tun");
  struct ifreq request = {0};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | (offload ? IFF_VNET_HDR : 0);
  for (int tries = 0; ioctl(fd, TUNSETIFF, &request); tries++) { /* a killed predecessor holds it for a moment */
    if (errno != EBUSY || tries == 100) die("TUNSETIFF");
    usleep(20000);
  }
  if (offload) {
    int header = VNET_LENGTH;
    if (ioctl(fd, TUNSETVNETHDRSZ, &header)) die("TUNSETVNETHDRSZ");
    if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6)) die("TUNSETOFFLOAD");
  }
  return fd;
}

static inline int work(uint8_t *packet, uint32_t length) {
  if (copy) return 1;
  return rewrite(packet, length, offload ? packet - VNET_LENGTH : NULL, port_of(packet, length));
}

/* One read, one rewrite, one write. The IPv6 header lies aligned, the virtio header before it. */
static void loop_read_write(int fd) {
  const size_t before = offload ? VNET_LENGTH : 0;
  uint8_t *packet = (uint8_t *)aligned_alloc(4096, 1 << 17) + ALIGNED, *start = packet - before;
  struct pollfd readable = {.fd = fd, .events = POLLIN};
  for (;;) {
    ssize_t n = read(fd, start, MAX_PACKET + before);
    if (n < 0) {
      if (errno == EAGAIN) poll(&readable, 1, -1);
      else if (errno != EINTR) die("read");
      continue;
    }
    if (n > (ssize_t)before && work(packet, n - before)) (void)!write(fd, start, n);
  }
}

struct pool {
  struct io_uring_buf_ring *ring;
  uint8_t *memory;
  uint32_t count, size;
};

/* Buffers are handed to the kernel in a ring; a read takes one and names it in its completion. */
static struct pool pool_open(struct io_uring *ring, size_t before) {
  struct pool p = {.count = offload ? 128 : 256, .size = offload ? 65536 + 128 : 2048};
  p.memory = aligned_alloc(4096, (p.count * (size_t)p.size + 4095) & ~(size_t)4095);
  p.ring = aligned_alloc(4096, 4096);
  if (!p.memory || !p.ring) die("memory");
  memset(p.ring, 0, 4096);
  struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)p.ring, .ring_entries = p.count};
  if (io_uring_register_buf_ring(ring, &registration, 0)) die("io_uring_register_buf_ring");
  io_uring_buf_ring_init(p.ring);
  for (uint32_t i = 0; i < p.count; i++)
    io_uring_buf_ring_add(p.ring, p.memory + i * (size_t)p.size + ALIGNED - before, p.size - 2 * ALIGNED, i, p.count - 1, i);
  io_uring_buf_ring_advance(p.ring, p.count);
  return p;
}

static struct io_uring_sqe *prepare(struct io_uring *ring, int opcode, int flags, int tag) {
  struct io_uring_sqe *e = io_uring_get_sqe(ring);
  if (!e) abort(); /* a batch plus one read is less than SQ_ENTRIES */
  memset(e, 0, sizeof *e);
  e->opcode = opcode;
  e->flags = IOSQE_FIXED_FILE | flags;
  e->off = -1;
  e->user_data = tag;
  return e;
}

static void loop_uring(int fd) {
  const size_t before = offload ? VNET_LENGTH : 0;
  struct io_uring ring;
  struct io_uring_params params = {.cq_entries = CQ_ENTRIES,
                                   .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
                                            IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL};
  if (io_uring_queue_init_params(SQ_ENTRIES, &ring, &params)) die("io_uring_queue_init");
  if (io_uring_register_files(&ring, &fd, 1)) die("io_uring_register_files");
  struct pool pool = pool_open(&ring, before);

  uint32_t taken[BATCH], count = 0;
  int reading = 0;
  for (;;) {
    if (!reading) {
      prepare(&ring, READ_MULTISHOT, IOSQE_BUFFER_SELECT, TAG_READ);
      reading = 1;
    }
    if (io_uring_cq_ready(&ring) || count) io_uring_submit_and_get_events(&ring);
    else io_uring_submit_and_wait(&ring, 1);

    /* a TUN write ends inside the submission, so the buffers of the last batch are free now */
    for (uint32_t i = 0; i < count; i++)
      io_uring_buf_ring_add(pool.ring, pool.memory + taken[i] * (size_t)pool.size + ALIGNED - before,
                            pool.size - 2 * ALIGNED, taken[i], pool.count - 1, i);
    io_uring_buf_ring_advance(pool.ring, count);
    count = 0;

    unsigned head, seen = 0;
    struct io_uring_cqe *c;
    io_uring_for_each_cqe(&ring, head, c) {
      if (count == BATCH) break;
      seen++;
      if (c->user_data != TAG_READ) continue;
      if (!(c->flags & IORING_CQE_F_MORE)) reading = 0;
      if (c->res <= (int)before) continue;
      uint32_t buffer = taken[count++] = c->flags >> IORING_CQE_BUFFER_SHIFT;
      uint8_t *packet = pool.memory + buffer * (size_t)pool.size + ALIGNED;
      if (!work(packet, c->res - before)) continue;
      struct io_uring_sqe *e = prepare(&ring, IORING_OP_WRITE, IOSQE_CQE_SKIP_SUCCESS, TAG_WRITE);
      e->addr = (uintptr_t)(packet - before);
      e->len = c->res;
    }
    io_uring_cq_advance(&ring, seen);
  }
}

int main(int argc, char **argv) {
  int uring = 0;
  uint32_t others = 100000;
  if (argc < 2) return fprintf(stderr, "usage: router TUN [offload] [uring] [copy] [bindings=N]\n"), 2;
  for (int i = 2; i < argc; i++) {
    if (!strcmp(argv[i], "offload")) offload = 1;
    else if (!strcmp(argv[i], "uring")) uring = 1;
    else if (!strcmp(argv[i], "copy")) copy = 1;
    else if (!strncmp(argv[i], "bindings=", 9)) others = strtoul(argv[i] + 9, NULL, 10);
    else return fprintf(stderr, "router: unknown argument %s\n", argv[i]), 2;
  }
  const uint64_t global = network64(0x20010db8000b0000), guest = network64(0xfd00000b00000001);
  site_init(global, guest, others + 1);
  for (uint32_t i = 0; i < others; i++) bind_nid(random_nid());
  bind_nid(network64(0x5e1));

  int fd = tun_open(argv[1]);
  printf("ready\n");
  fflush(stdout);
  if (uring) loop_uring(fd);
  else loop_read_write(fd);
}
