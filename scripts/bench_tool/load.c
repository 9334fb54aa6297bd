/*
 * The load: N connections, each sends M recordings one after the other and checks every answer.
 *
 *   load PORT PATH CONNECTIONS REQUESTS BYTES RUN [tus]   (the bearer key in BENCH_KEY)
 *
 * A request is what `curl -F metadata=JSON -F file=@call.wav` sends. The file is a WAV of BYTES
 * bytes; its first samples differ in each request, so no two recordings are alike. RUN goes into
 * source_call_id, so no two runs are alike. An answer counts if it is 201 and names the SHA-256
 * that was computed here, before the clock starts. A wrong answer ends its connection.
 *
 * With `tus` a recording is sent as tus 1.0 does it: a POST that begins an upload, and a PATCH with
 * all of its bytes, which counts if it is answered by 204 and the offset behind the last one.
 *
 * Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
  BLOCK_BYTES = 1024 * 1024, /* Samples repeat after this, so that memory does not grow with BYTES. */
  WAV_HEADER_BYTES = 44,
  UNIQUE_BYTES = 64,
  SAMPLE_RATE_HZ = 8000,
  HEAD_BYTES = 4096,
  ANSWER_BYTES = 64 * 1024,
  HEX_BYTES = 64,
  MESSAGE_BYTES = 256,
  VECTORS = 256,
  PATIENCE_S = 300,
};

#define BOUNDARY "------------------------b3nchb3nchb3nch"
static const char tail[] = "\r\n--" BOUNDARY "--\r\n";

static int port;
static const char *path, *key, *run_name;
static int connections, requests;
static long long file_bytes;
static bool is_tus;
static unsigned char *block;
static EVP_MD *sha256;
static pthread_barrier_t ready;

struct prepared {
  char head[HEAD_BYTES]; /* The request up to and with the samples that differ; of tus, those. */
  size_t head_length;
  char begin[HEAD_BYTES]; /* Of tus, the request that begins the upload. */
  size_t begin_length;
  char sha256[HEX_BYTES + 1];
};

struct connection {
  int number;
  int done;
  struct prepared *prepared;
  double *milliseconds;
  double ended_at;
  char error[MESSAGE_BYTES];
};

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t next_random(uint64_t *state) { /* xorshift64: noise is enough, and repeatable. */
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void fill_random(unsigned char *bytes, size_t count, uint64_t seed) {
  uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
  for (size_t i = 0; i < count; i += 8) {
    uint64_t value = next_random(&state);
    memcpy(bytes + i, &value, count - i < 8 ? count - i : 8);
  }
}

static uint64_t seed_of(const char *text) { /* FNV-1a */
  uint64_t hash = 0xCBF29CE484222325ull;
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001B3ull;
  return hash;
}

static void put(unsigned char *at, uint32_t value, int count) {
  value = htole32(value);
  memcpy(at, &value, (size_t)count);
}

/* The header of 16-bit mono PCM. Source: RIFF, Multimedia Programming Interface 1.0, 1991. */
static void write_wav_header(unsigned char *header) {
  uint32_t payload = (uint32_t)(file_bytes - WAV_HEADER_BYTES);
  memcpy(header, "RIFF....WAVEfmt ", 16);
  put(header + 4, payload + 36, 4);
  put(header + 16, 16, 4);
  put(header + 20, 1, 2);
  put(header + 22, 1, 2);
  put(header + 24, SAMPLE_RATE_HZ, 4);
  put(header + 28, SAMPLE_RATE_HZ * 2, 4);
  put(header + 32, 2, 2);
  put(header + 34, 16, 2);
  memcpy(header + 36, "data", 4);
  put(header + 40, payload, 4);
}

static void hash_file(const unsigned char *start, char *hex) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  unsigned char digest[HEX_BYTES / 2];
  EVP_DigestInit_ex2(context, sha256, NULL);
  EVP_DigestUpdate(context, start, WAV_HEADER_BYTES + UNIQUE_BYTES);
  long long left = file_bytes - WAV_HEADER_BYTES - UNIQUE_BYTES;
  for (; left > 0; left -= BLOCK_BYTES)
    EVP_DigestUpdate(context, block, left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES);
  EVP_DigestFinal_ex(context, digest, NULL);
  EVP_MD_CTX_free(context);
  for (int i = 0; i < HEX_BYTES / 2; i++) sprintf(hex + 2 * i, "%02x", digest[i]);
}

static int write_metadata(char *text, size_t room, const struct connection *c, int index) {
  int serial = c->number * requests + index;
  return snprintf(
      text, room,
      "{\"source_call_id\": \"bench-%s-%d-%d\", \"started_at\": \"2026-01-15T%02d:%02d:%02d+03:00\","
      " \"direction\": \"inbound\", \"from\": \"+74951234567\", \"to\": \"101\", \"leg\": \"mixed\"}",
      run_name, c->number, index, serial / 3600 % 24, serial / 60 % 60, serial % 60);
}

static int prepare_form(struct prepared *p, const char *metadata) {
  char parts[HEAD_BYTES];
  int parts_length = snprintf(
      parts, sizeof parts,
      "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n%s"
      "\r\n--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"call.wav\"\r\n"
      "Content-Type: audio/wav\r\n\r\n",
      metadata);
  long long length = parts_length + file_bytes + (long long)strlen(tail);
  return snprintf(p->head, HEAD_BYTES - WAV_HEADER_BYTES - UNIQUE_BYTES,
                  "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                  "Accept: */*\r\nContent-Length: %lld\r\n"
                  "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n\r\n%s",
                  path, port, key, length, parts);
}

/* Source: tus resumable upload protocol 1.0, core and creation. */
static void prepare_tus(struct prepared *p, const char *metadata) {
  char encoded[HEAD_BYTES];
  EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)metadata, (int)strlen(metadata));
  int length = snprintf(p->begin, HEAD_BYTES,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                        "Tus-Resumable: 1.0.0\r\nUpload-Length: %lld\r\nContent-Length: 0\r\n"
                        "Upload-Metadata: filename Y2FsbC53YXY=,metadata %s\r\n\r\n",
                        path, port, key, file_bytes, encoded);
  if (length >= HEAD_BYTES) die("head too long");
  p->begin_length = (size_t)length;
}

static void prepare(struct connection *c, int index) {
  struct prepared *p = &c->prepared[index];
  int serial = c->number * requests + index;
  char metadata[HEAD_BYTES / 4];
  if (write_metadata(metadata, sizeof metadata, c, index) >= (int)sizeof metadata) die("metadata");
  int head = 0;
  if (is_tus)
    prepare_tus(p, metadata);
  else
    head = prepare_form(p, metadata);
  if (head >= HEAD_BYTES - WAV_HEADER_BYTES - UNIQUE_BYTES) die("head too long");
  unsigned char *file = (unsigned char *)p->head + head;
  write_wav_header(file);
  fill_random(file + WAV_HEADER_BYTES, UNIQUE_BYTES, seed_of(run_name) + (uint64_t)serial);
  p->head_length = (size_t)head + WAV_HEADER_BYTES + UNIQUE_BYTES;
  hash_file(file, p->sha256);
}

static int open_connection(void) {
  int handle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct timeval patience = {.tv_sec = PATIENCE_S};
  int on = 1;
  if (handle < 0 || connect(handle, (struct sockaddr *)&address, sizeof address) < 0) return -1;
  setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(handle, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return handle;
}

static bool send_vectors(int handle, struct iovec *vectors, size_t count) {
  struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
  while (message.msg_iovlen > 0) {
    ssize_t sent = sendmsg(handle, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    size_t left = (size_t)sent;
    while (message.msg_iovlen > 0 && left >= message.msg_iov->iov_len) {
      left -= message.msg_iov->iov_len;
      message.msg_iov++;
      message.msg_iovlen--;
    }
    if (message.msg_iovlen > 0) {
      message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + left;
      message.msg_iov->iov_len -= left;
    }
  }
  return true;
}

/* Send a request: `lead`, which may be empty, what was prepared, and what stands behind the file. */
static bool send_request(int handle, const char *lead, const struct prepared *p, const char *end) {
  struct iovec vectors[VECTORS];
  size_t count = 0;
  long long left = file_bytes - WAV_HEADER_BYTES - UNIQUE_BYTES;
  vectors[count++] = (struct iovec){(void *)lead, strlen(lead)};
  vectors[count++] = (struct iovec){(void *)p->head, p->head_length};
  while (left > 0) {
    size_t piece = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
    vectors[count++] = (struct iovec){block, piece};
    left -= (long long)piece;
    if (count == VECTORS - 1 && left > 0) {
      if (!send_vectors(handle, vectors, count)) return false;
      count = 0;
    }
  }
  vectors[count++] = (struct iovec){(void *)end, strlen(end)};
  return send_vectors(handle, vectors, count);
}

/* Return what a field of the head of `text` says, or NULL; it ends with its line. */
static const char *field_of(const char *text, const char *name) {
  const char *end = strstr(text, "\r\n\r\n"), *at = strcasestr(text, name);
  if (!end || !at || at > end) return NULL;
  at += strlen(name);
  return at + strspn(at, " ");
}

/* Read one answer with Content-Length, or in pieces that are text, into `text`; return its body, or
 * NULL if it broke off. */
static char *read_answer(int handle, char *text, int *status) {
  size_t filled = 0;
  for (;;) {
    text[filled] = 0;
    char *end = strstr(text, "\r\n\r\n");
    if (end) {
      const char *length = field_of(text, "\r\ncontent-length:");
      const char *coding = field_of(text, "\r\ntransfer-encoding:");
      size_t wanted = length ? strtoul(length, NULL, 10) : 0;
      bool is_in_pieces = coding && strncasecmp(coding, "chunked", 7) == 0;
      if (is_in_pieces ? strstr(end + 2, "\r\n0\r\n\r\n") != NULL
                       : filled >= (size_t)(end + 4 - text) + wanted) {
        *status = strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
        return end + 4;
      }
    }
    ssize_t got = recv(handle, text + filled, ANSWER_BYTES - 1 - filled, 0);
    if (got <= 0) return NULL;
    filled += (size_t)got;
  }
}

static bool names_digest(const char *body, const char *hex) {
  const char *at = strstr(body, "\"sha256\"");
  if (!at) return false;
  at += strlen("\"sha256\"");
  at += strspn(at, " :");
  return *at == '"' && strncmp(at + 1, hex, HEX_BYTES) == 0 && at[1 + HEX_BYTES] == '"';
}

static void note_error(struct connection *c, const char *what, int status, const char *body) {
  snprintf(c->error, sizeof c->error, "%s, status %d: %s", what, status, body);
  for (char *at = c->error; *at; at++)
    if (*at < ' ' || *at == '"' || *at == '\\') *at = *at == '"' ? '\'' : ' ';
}

/* Begin an upload; return the path that it is sent to, in `place`, or false. */
static bool begin_upload(struct connection *c, int handle, int index, char *text, char *place) {
  const struct prepared *p = &c->prepared[index];
  struct iovec vectors[1] = {{(void *)p->begin, p->begin_length}};
  int status = 0;
  char *body = send_vectors(handle, vectors, 1) ? read_answer(handle, text, &status) : NULL;
  const char *at = body && status == 201 ? field_of(text, "\r\nlocation:") : NULL;
  if (!at) {
    note_error(c, "not begun", status, body ? body : strerror(errno));
    return false;
  }
  const char *host = strstr(at, "//");
  if (host && host < strstr(at, "\r\n")) at = strchr(host + 2, '/'); /* A whole address. */
  snprintf(place, MESSAGE_BYTES, "%.*s", (int)strcspn(at, "\r\n"), at);
  return true;
}

static bool exchange_tus(struct connection *c, int handle, int index, char *text) {
  char place[MESSAGE_BYTES], lead[HEAD_BYTES];
  int status = 0;
  double started_at = now();
  if (!begin_upload(c, handle, index, text, place)) return false;
  snprintf(lead, sizeof lead,
           "PATCH %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
           "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Length: %lld\r\n"
           "Content-Type: application/offset+octet-stream\r\n\r\n",
           place, port, key, file_bytes);
  bool sent = send_request(handle, lead, &c->prepared[index], "");
  char *body = read_answer(handle, text, &status);
  c->milliseconds[index] = (now() - started_at) * 1000;
  const char *offset = body && status == 204 ? field_of(text, "\r\nupload-offset:") : NULL;
  if (offset && atoll(offset) == file_bytes) {
    c->done++;
    return true;
  }
  const char *what = !body ? "no answer" : status == 204 ? "wrong offset" : "refused";
  note_error(c, sent ? what : "cut off while sending", status, body ? body : strerror(errno));
  return false;
}

static bool exchange(struct connection *c, int handle, int index, char *text) {
  int status = 0;
  double started_at = now();
  bool sent = send_request(handle, "", &c->prepared[index], tail);
  /* Who refuses early answers before it has read the body, so there may be one all the same. */
  char *body = read_answer(handle, text, &status);
  c->milliseconds[index] = (now() - started_at) * 1000;
  if (body && status == 201 && names_digest(body, c->prepared[index].sha256)) {
    c->done++;
    return true;
  }
  const char *what = !body ? "no answer" : status == 201 ? "wrong digest" : "refused";
  note_error(c, sent ? what : "cut off while sending", status, body ? body : strerror(errno));
  return false;
}

static void *run(void *argument) {
  struct connection *c = argument;
  char *text = malloc(ANSWER_BYTES);
  c->prepared = malloc((size_t)requests * sizeof *c->prepared);
  c->milliseconds = malloc((size_t)requests * sizeof *c->milliseconds);
  if (!text || !c->prepared || !c->milliseconds) die("malloc");
  for (int i = 0; i < requests; i++) prepare(c, i);
  int handle = open_connection();
  pthread_barrier_wait(&ready);
  if (handle < 0) note_error(c, "no connection", 0, strerror(errno));
  bool (*send_one)(struct connection *, int, int, char *) = is_tus ? exchange_tus : exchange;
  for (int i = 0; handle >= 0 && i < requests && send_one(c, handle, i, text); i++) {
  }
  c->ended_at = now();
  if (handle >= 0) close(handle);
  return NULL;
}

static int compare(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double percentile(const double *sorted, int count, double share) {
  if (count == 0) return 0;
  int index = (int)(share * count);
  return sorted[index < count ? index : count - 1];
}

static void report(struct connection *all, double started_at) {
  double *sorted = malloc((size_t)connections * (size_t)requests * sizeof *sorted);
  double ended_at = started_at;
  int done = 0, errors = 0;
  const char *first_error = "";
  if (!sorted) die("malloc");
  for (int i = 0; i < connections; i++) {
    for (int k = 0; k < all[i].done; k++) sorted[done++] = all[i].milliseconds[k];
    if (all[i].ended_at > ended_at) ended_at = all[i].ended_at;
    if (all[i].error[0] && errors++ == 0) first_error = all[i].error;
  }
  qsort(sorted, (size_t)done, sizeof *sorted, compare);
  printf("{\"wall_s\": %.6f, \"requests\": %d, \"bytes\": %lld, \"errors\": %d, "
         "\"p50_ms\": %.3f, \"p95_ms\": %.3f, \"p99_ms\": %.3f, \"first_error\": \"%s\"}\n",
         ended_at - started_at, done, done * file_bytes, errors, percentile(sorted, done, 0.50),
         percentile(sorted, done, 0.95), percentile(sorted, done, 0.99), first_error);
}

static void read_arguments(int count, char **arguments) {
  is_tus = count == 8 && strcmp(arguments[7], "tus") == 0;
  if (count != 7 && !is_tus) {
    fprintf(stderr, "usage: load PORT PATH CONNECTIONS REQUESTS BYTES RUN [tus]\n");
    exit(2);
  }
  port = atoi(arguments[1]);
  path = arguments[2];
  connections = atoi(arguments[3]);
  requests = atoi(arguments[4]);
  file_bytes = atoll(arguments[5]);
  run_name = arguments[6];
  key = getenv("BENCH_KEY") ? getenv("BENCH_KEY") : "";
  if (connections < 1 || requests < 1 || file_bytes < WAV_HEADER_BYTES + UNIQUE_BYTES) {
    fprintf(stderr, "load: too few connections, requests or bytes\n");
    exit(2);
  }
}

int main(int count, char **arguments) {
  read_arguments(count, arguments);
  sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
  block = malloc(BLOCK_BYTES);
  struct connection *all = calloc((size_t)connections, sizeof *all);
  pthread_t *threads = calloc((size_t)connections, sizeof *threads);
  if (!sha256 || !block || !all || !threads) die("malloc");
  fill_random(block, BLOCK_BYTES, seed_of("block"));
  pthread_barrier_init(&ready, NULL, (unsigned)connections + 1);
  for (int i = 0; i < connections; i++) {
    all[i].number = i;
    if (pthread_create(&threads[i], NULL, run, &all[i]) != 0) die("thread");
  }
  /* All connections stand and all digests are known; from here on only the server is waited for. */
  pthread_barrier_wait(&ready);
  double started_at = now();
  for (int i = 0; i < connections; i++) pthread_join(threads[i], NULL);
  report(all, started_at);
}
